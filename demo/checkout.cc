// SPDX-License-Identifier: Apache-2.0
// checkout: a service that prices baskets. Three workers share one stock table behind a mutex, an auditor
// holds it for too long now and then, and every request waits for a payment provider. About 20 % of a core.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace checkout {

using std::chrono::milliseconds;

volatile std::sig_atomic_t stopping = 0;

struct Item {
  std::string sku;
  int count;
  double price;
};

using Basket = std::vector<Item>;

class Stock {
 public:
  [[gnu::noinline]] bool reserve(const Basket& basket) {
    std::lock_guard lock(mutex_);
    for (const Item& item : basket)
      if (left_[item.sku] < item.count) refill(item.sku);
    for (const Item& item : basket) left_[item.sku] -= item.count;
    return true;
  }

  /// Counts everything while holding the lock: the others wait for it.
  [[gnu::noinline]] std::uint64_t audit() {
    std::lock_guard lock(mutex_);
    std::uint64_t digest = 14695981039346656037u;
    for (int round = 0; round < 400; round++)
      for (const auto& [sku, count] : left_) digest = digest_entry(digest, sku, count);
    return digest;
  }

 private:
  [[gnu::noinline]] void refill(const std::string& sku) { left_[sku] += 500; }

  static std::uint64_t digest_entry(std::uint64_t digest, const std::string& sku, int count) {
    for (const char letter : sku) digest = (digest ^ static_cast<unsigned char>(letter)) * 1099511628211u;
    return (digest ^ static_cast<std::uint64_t>(count)) * 1099511628211u;
  }

  std::mutex mutex_;
  std::map<std::string, int> left_;
};

[[gnu::noinline]] Basket load_basket(std::mt19937_64& random) {
  Basket basket;
  for (int i = 0; i < 120; i++)
    basket.push_back({"sku-" + std::to_string(random() % 3000) + "-warehouse-north",
                      static_cast<int>(random() % 5), static_cast<double>(random() % 10'000) / 100});
  return basket;
}

[[gnu::noinline]] double price_basket(const Basket& basket) {
  double sum = 0;
  for (const Item& item : basket) sum += item.price * item.count;
  return sum;
}

/// The best of all subsets of promotions, tried one by one: exponential, as it was once good enough.
[[gnu::noinline]] double apply_promotions(double price, const std::vector<double>& promotions,
                                          std::size_t next = 0) {
  if (next == promotions.size()) return price;
  const double without = apply_promotions(price, promotions, next + 1);
  const double with = apply_promotions(price * (1 - promotions[next]) + 0.3, promotions, next + 1);
  return std::min(without, with);
}

[[gnu::noinline]] double score_fraud(const Basket& basket, std::mt19937_64& random) {
  std::vector<double> features(1024);
  for (double& feature : features) feature = static_cast<double>(random() % 1000);
  double score = 0;
  for (const Item& item : basket)
    for (const double feature : features) score += feature * item.price / (1 + score);
  return score;
}

[[gnu::noinline]] std::string render_receipt(const Basket& basket, double price) {
  std::string receipt;
  auto sorted = basket;
  std::sort(sorted.begin(), sorted.end(), [](const Item& a, const Item& b) { return a.sku < b.sku; });
  for (const Item& item : sorted)
    receipt += item.sku + " x" + std::to_string(item.count) + " @ " + std::to_string(item.price) + "\n";
  return receipt + "total " + std::to_string(price) + "\n";
}

[[gnu::noinline]] void charge_card(std::mt19937_64& random) {
  std::this_thread::sleep_for(milliseconds(10 + random() % 15));
}

[[gnu::noinline]] std::size_t handle_checkout(Stock& stock, std::mt19937_64& random) {
  static const std::vector<double> promotions{0.05, 0.1,  0.02, 0.15, 0.03, 0.07, 0.01,
                                              0.12, 0.04, 0.06, 0.08, 0.09, 0.11};
  const Basket basket = load_basket(random);
  const double price = apply_promotions(price_basket(basket), promotions);
  const bool suspicious = score_fraud(basket, random) > 1e12;
  if (suspicious || !stock.reserve(basket)) return 0;
  charge_card(random);
  return render_receipt(basket, price).size();
}

void serve(Stock& stock, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::size_t bytes = 0;
  while (!stopping) bytes += handle_checkout(stock, random);
  asm volatile("" ::"r"(bytes));
}

void audit_now_and_then(Stock& stock) {
  while (!stopping) {
    std::this_thread::sleep_for(milliseconds(400));
    asm volatile("" ::"r"(stock.audit()));
  }
}

}  // namespace checkout

int main() {
  std::signal(SIGTERM, [](int) { checkout::stopping = 1; });
  std::signal(SIGINT, [](int) { checkout::stopping = 1; });
  checkout::Stock stock;
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 1; seed <= 3; seed++)
    threads.emplace_back([&stock, seed] { checkout::serve(stock, seed); });
  threads.emplace_back([&stock] { checkout::audit_now_and_then(stock); });
  for (std::thread& thread : threads) thread.join();
}
