// Worker: one thread that does later what the HTTP server's thread must not: blocking reads and timeouts.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/time.h"

namespace bascule::api {

class Worker {
 public:
  explicit Worker(std::size_t most_jobs);
  ~Worker();  // drops what waits, joins
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `job` on the worker's thread after `delay`. False, and nothing is kept, when too many jobs wait.
  [[nodiscard]] bool post(Duration delay, std::function<void()> job);

 private:
  void run();

  const std::size_t most_jobs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Instant, std::function<void()>> jobs_;  // by when they are due
  const SystemClock clock_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace bascule::api
