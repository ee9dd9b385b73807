/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long requests to disks took, from being made to being complete (Q2C) and from being given to the device
 * to being complete (D2C), by disk and cgroup. When a request was made is in it, where the disk keeps
 * statistics (queue/iostats); when it was given to the device is remembered here.
 *
 * Whose a request is: on cgroup v2 its bio says so, also when the kernel writes back later. On v1 that would
 * be a cgroup of another hierarchy than containers are told by, so it is who queued it: writeback is the
 * host's there.
 */
#include "latency.h"

enum sw_stage { SW_Q2C = 0, SW_D2C = 1 };

struct sw_request {
  __u64 issued_ns;
  __u64 cgroup;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __u64); /* struct request * */
  __type(value, struct sw_request);
} sw_requests SEC(".maps");

static __always_inline __u64 sw_cgroup_of_request(struct request *rq) {
  if (sw_cgroup_hierarchy != SW_CGROUP_V2) return sw_cgroup_of_known(bpf_get_current_task_btf());
  struct bio *bio = rq->bio;
  if (!bio || !bio->bi_blkg) return sw_cgroup_of_known(bpf_get_current_task_btf());
  return bio->bi_blkg->blkcg->css.cgroup->kn->id;
}

static __always_inline int sw_inserted(struct request *rq) {
  struct sw_request request = {.cgroup = sw_cgroup_of_request(rq)};
  __u64 key = (__u64)rq;
  bpf_map_update_elem(&sw_requests, &key, &request, BPF_ANY);
  return 0;
}

static __always_inline int sw_issued(struct request *rq) {
  __u64 key = (__u64)rq;
  struct sw_request *known = bpf_map_lookup_elem(&sw_requests, &key);
  if (known) {
    known->issued_ns = bpf_ktime_get_ns();
    return 0;
  }
  /* Given to the device without a queue before it. */
  struct sw_request request = {.issued_ns = bpf_ktime_get_ns(), .cgroup = sw_cgroup_of_request(rq)};
  bpf_map_update_elem(&sw_requests, &key, &request, BPF_ANY);
  return 0;
}

static __always_inline __u32 sw_disk_of(struct request *rq) {
  struct gendisk *disk;
  if (bpf_core_field_exists(struct request___before_5_17, rq_disk))
    disk = BPF_CORE_READ((struct request___before_5_17 *)rq, rq_disk);
  else
    disk = BPF_CORE_READ(rq, q, disk);
  if (!disk) return 0;
  return BPF_CORE_READ(disk, major) << 20 | BPF_CORE_READ(disk, first_minor);
}

SEC("tp_btf/block_rq_insert")
int BPF_PROG(sw_io_insert, struct request *rq) { return sw_inserted(rq); }

SEC("tp_btf/block_rq_issue")
int BPF_PROG(sw_io_issue, struct request *rq) { return sw_issued(rq); }

/* Before 5.11. */
SEC("tp_btf/block_rq_insert")
int BPF_PROG(sw_io_insert_5_8, struct request_queue *q, struct request *rq) { return sw_inserted(rq); }

SEC("tp_btf/block_rq_issue")
int BPF_PROG(sw_io_issue_5_8, struct request_queue *q, struct request *rq) { return sw_issued(rq); }

SEC("tp_btf/block_rq_complete")
int BPF_PROG(sw_io_complete, struct request *rq) {
  __u64 key = (__u64)rq;
  struct sw_request *request = bpf_map_lookup_elem(&sw_requests, &key);
  if (!request)
    return 0; /* under way when we came, or no room: the latter is counted by who was there first */
  __u64 now = bpf_ktime_get_ns();
  __u32 disk = sw_disk_of(rq);
  if (request->issued_ns) sw_count_latency(request->cgroup, disk, SW_D2C, now - request->issued_ns);
  __u64 made = rq->start_time_ns;
  if (made && made < now) sw_count_latency(request->cgroup, disk, SW_Q2C, now - made);
  bpf_map_delete_elem(&sw_requests, &key);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
