#include "api/worker.h"

#include <exception>

#include "base/log.h"

namespace bascule::api {

Worker::Worker(std::size_t most_jobs) : most_jobs_(most_jobs), thread_([this] { run(); }) {}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

bool Worker::post(Duration delay, std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || jobs_.size() >= most_jobs_) return false;
  jobs_.emplace(clock_.now() + delay, std::move(job));
  changed_.notify_all();
  return true;
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (jobs_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const Duration wait = jobs_.begin()->first - clock_.now();
    if (wait > 0s) {
      changed_.wait_for(lock, wait);
      continue;
    }
    const std::function<void()> job = std::move(jobs_.begin()->second);
    jobs_.erase(jobs_.begin());
    lock.unlock();
    try {
      job();
    } catch (const std::exception& error) {
      log(LogLevel::error, "worker", "job_failed", {{"why", error.what()}});
    }
    lock.lock();
  }
}

}  // namespace bascule::api
