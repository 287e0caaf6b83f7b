#include "hostd/workers.h"

#include <algorithm>

namespace bascule::hostd {

Workers::Workers(std::size_t threads, std::size_t capacity) : capacity_(capacity) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

bool Workers::submit(const std::string& key, std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (ending_ || waiting_.size() >= capacity_) return false;
  waiting_.push_back({key, std::move(job)});
  changed_.notify_one();
  return true;
}

std::deque<Workers::Job>::iterator Workers::next_job() {
  return std::find_if(waiting_.begin(), waiting_.end(),
                      [this](const Job& job) { return !running_.contains(job.key); });
}

void Workers::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || next_job() != waiting_.end(); });
    if (ending_) return;
    const auto next = next_job();
    const Job job = std::move(*next);
    waiting_.erase(next);
    running_.insert(job.key);
    lock.unlock();
    job.work();
    lock.lock();
    running_.erase(job.key);
    changed_.notify_all();
  }
}

}  // namespace bascule::hostd
