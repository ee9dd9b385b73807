// SPDX-License-Identifier: Apache-2.0
#include "recorder.h"

#include <bpf/bpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <tuple>

#include "failure.h"
#include "kernel.h"
#include "off_cpu.h"

namespace stackwell {

namespace {

// A record may be written to its ring a little after its time was taken.
constexpr uint64_t kRecordDelayNs = 1'000'000;
// A task may still run in the kernel after its exit was recorded.
constexpr uint64_t kExitGraceNs = 1'000'000'000;

}  // namespace

Recorder::Recorder(const Options& options) : processes_(options.maxProcessBytes) {
  requireKernel();
  // First the side records: a process that starts from here on is known before its first sample.
  sideband_ = std::make_unique<Sideband>();
  scope_ = std::make_unique<ScopeFilter>(options);
  tables_ = std::make_unique<Tables>(scope_->object(), options.maxTableBytes);
  runtimes_ = std::make_unique<Runtimes>(scope_->object());
  if (options.traces) publishers_ = std::make_unique<Publishers>(*scope_);
  if (options.hz) {
    samplers_.push_back(std::make_unique<OnCpu>(options, scope_->object(), stacks_));
    chosen_["onCpu"] = "perf_event cpu-clock";
  }
  if (options.offCpu) {
    auto offCpu = std::make_unique<OffCpu>(options, *scope_, stacks_);
    chosen_.insert(offCpu->chosen().begin(), offCpu->chosen().end());
    samplers_.push_back(std::move(offCpu));
  }
  scope_->set(options.scope);
  windowStart_ = monotonicNow();
  scope_->control(SW_CONTROL_ATTACHED, windowStart_);
  scope_->control(SW_CONTROL_EPOCH, epoch_);
  for (auto& sampler : samplers_) sampler->attach();
  mapBytes_ = scope_->object().mapBytes() + sideband_->kernelBytes();
  for (auto& sampler : samplers_) mapBytes_ += sampler->object().mapBytes();
}

int Recorder::readRings(uint64_t untilNs) {
  takeAnswers();
  int n = sideband_->apply(processes_, untilNs);
  n += stacks_.consume();
  for (uint32_t pid : stacks_.takeSeen()) {
    processes_.want(pid);
    runtimes_->see(pid, processes_);
    if (publishers_) publishers_->see(pid, processes_);
  }
  tables_->consume(processes_);
  userBytes_ = processes_.bytes() + stacks_.bytes();
  processCount_ = processes_.size();
  return n;
}

int Recorder::poll() {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || closed_) return 0;
  return readRings(monotonicNow() - kRecordDelayNs);
}

/**
 * Programs run where RCU sees them, so after a grace period none is left that read the old set's number. This
 * command of membarrier is one; kernels with nohz_full CPUs refuse it, and there programs get more than their
 * time.
 */
void Recorder::waitForPrograms() {
  if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0) usleep(50'000);
}

Columns Recorder::drain() {
  std::unique_lock lock(mutex_);
  if (closed_) throw Failure("SW_PROFILER_CLOSED", {});
  {
    std::lock_guard attached(attached_);
    std::vector<int> online = onlineCpus();
    sideband_->followCpus(online);
    for (auto& sampler : samplers_) sampler->followCpus(online);
  }
  for (auto& sampler : samplers_) sampler->beforeTurn();

  Columns columns;
  uint32_t set = set_;
  set_ ^= 1;
  scope_->control(SW_CONTROL_SET, set_);
  columns.startNs = windowStart_;
  columns.endNs = windowStart_ = monotonicNow();
  scope_->control(SW_CONTROL_WINDOW, drains_ + 1);
  tables_->evict(drains_ + 1);
  waitForPrograms();
  if (tables_->reclaim()) scope_->control(SW_CONTROL_EPOCH, ++epoch_);
  readRings(monotonicNow());

  drains_++;
  ColumnBuilder builder(columns, processes_, stacks_, drains_);
  for (auto& sampler : samplers_) {
    sampler->take(set, [&](const sw_key& key, const sw_trace& trace, const sw_value& value) {
      builder.add(key, trace, value, sampler->worth(value));
    });
    std::array<uint64_t, SW_COUNTERS> counted = sampler->takeCounters();
    columns.lost[kCountsFull] += counted[SW_LOST_COUNTS_FULL];
    columns.lost[kStackRingFull] += counted[SW_LOST_STACK_RING_FULL];
    columns.lost[kTaskStateFull] += counted[SW_LOST_TASK_STATE_FULL];
    columns.lost[kBadDelta] += counted[SW_LOST_BAD_DELTA];
    columns.lost[kMissedWakeup] += counted[SW_LOST_MISSED_WAKEUP];
    columns.lost[kFilesFull] += counted[SW_LOST_FILES_FULL];
    columns.lost[kWantedFull] += counted[SW_LOST_WANTED_FULL];
    columns.untraced[kFull] += counted[SW_UNTRACED_FULL];
    columns.untraced[kUnreadable] += counted[SW_UNTRACED_UNREADABLE];
    columns.untraced[kInvalid] += counted[SW_UNTRACED_INVALID];
    columns.skipped[kIdle] += counted[SW_SKIPPED_IDLE];
    columns.skipped[kScope] += counted[SW_SKIPPED_SCOPE];
    columns.skipped[kExcluded] += counted[SW_SKIPPED_EXCLUDED];
    columns.skipped[kShort] += counted[SW_SKIPPED_SHORT];
    columns.skipped[kLong] += counted[SW_SKIPPED_LONG];
    columns.skipped[kState] += counted[SW_SKIPPED_STATE];
  }
  columns.lost[kProcessTableFull] += scope_->takeLost() + processes_.takeRefused();
  columns.lost[kSidebandLost] += sideband_->takeLost();
  stacks_.release(set, drains_);
  processes_.forgetBefore(columns.endNs - kExitGraceNs);
  runtimes_->forgetEnded();
  if (publishers_) publishers_->forgetEnded(processes_);
  userBytes_ = processes_.bytes() + stacks_.bytes();
  processCount_ = processes_.size();
  return columns;
}

void Recorder::setScope(const Scope& scope) {
  std::lock_guard lock(attached_);
  if (closed_) throw Failure("SW_PROFILER_CLOSED", {});
  scope_->set(scope);
}

std::vector<ProgramCost> Recorder::programs() {
  std::lock_guard lock(attached_);
  std::vector<ProgramCost> costs;
  if (closed_) return costs;
  const auto add = [&](const Object& object) {
    for (ProgramCost& cost : object.costs()) costs.push_back(std::move(cost));
  };
  add(scope_->object());
  for (auto& sampler : samplers_) add(sampler->object());
  return costs;
}

std::vector<WantedTable> Recorder::takeWantedTables() {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || closed_) return {};
  return tables_->takeWanted();
}

void Recorder::answerWanted(TableAnswer answer) {
  {
    std::lock_guard lock(answersMutex_);
    answers_.push_back(std::move(answer));
  }
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock() && !closed_) takeAnswers();
}

std::vector<WantedRuntime> Recorder::takeWantedRuntimes() {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || closed_) return {};
  return runtimes_->takeWanted(monotonicNow());
}

void Recorder::answerWanted(RuntimeAnswer answer) {
  {
    std::lock_guard lock(answersMutex_);
    runtimeAnswers_.push_back(std::move(answer));
  }
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock() && !closed_) takeAnswers();
}

std::vector<WantedPublisher> Recorder::takeWantedPublishers() {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || closed_ || !publishers_) return {};
  return publishers_->takeWanted(processes_, monotonicNow());
}

void Recorder::answerWanted(PublisherAnswer answer) {
  {
    std::lock_guard lock(answersMutex_);
    publisherAnswers_.push_back(std::move(answer));
  }
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock() && !closed_) takeAnswers();
}

void Recorder::takeAnswers() {
  std::vector<TableAnswer> answers;
  std::vector<RuntimeAnswer> runtimeAnswers;
  std::vector<PublisherAnswer> publisherAnswers;
  {
    std::lock_guard lock(answersMutex_);
    answers.swap(answers_);
    runtimeAnswers.swap(runtimeAnswers_);
    publisherAnswers.swap(publisherAnswers_);
  }
  for (const RuntimeAnswer& answer : runtimeAnswers) runtimes_->answer(answer, monotonicNow());
  for (const PublisherAnswer& answer : publisherAnswers) publishers_->answer(answer);
  for (const TableAnswer& answer : answers) {
    if (answer.table.empty())
      tables_->refuse(answer.id, answer.later);
    else
      tables_->install(answer.id, answer.buildId, answer.table.data(), answer.table.size());
  }
}

Memory Recorder::memory() {
  if (std::unique_lock lock(mutex_, std::try_to_lock); lock.owns_lock() && tables_) {
    std::tie(tableStats_, runtimeCount_, runtimesRefused_) =
        std::make_tuple(tables_->stats(), runtimes_->described(), runtimes_->refused());
    if (publishers_)
      std::tie(publisherCount_, publishersRefused_) =
          std::make_tuple(publishers_->placed(), publishers_->refused());
  }
  return {mapBytes_ + tableStats_.bytes,
          userBytes_,
          processCount_,
          tableStats_,
          runtimeCount_,
          runtimesRefused_,
          publisherCount_,
          publishersRefused_};
}

void Recorder::close() {
  std::lock_guard lock(attached_);
  closed_ = true;
  if (scope_) scope_->object().detach();
  for (auto& sampler : samplers_) sampler->object().detach();
  // Loaded programs and maps go with the last owner of this object: a drain may be reading them.
}

}  // namespace stackwell
