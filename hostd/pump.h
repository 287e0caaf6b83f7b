// Pump: a thread that does one thing again and again: after each round it rests for `period`, or until woken.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/time.h"

namespace bascule::hostd {

class Pump {
 public:
  Pump(Duration period, std::function<void()> round)
      : period_(period), round_(std::move(round)), thread_([this] { run(); }) {}
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;
  ~Pump() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  void wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
      woken_ = false;
      lock.unlock();
      round_();
      lock.lock();
      changed_.wait_for(lock, period_, [this] { return ending_ || woken_; });
    }
  }

  const Duration period_;
  const std::function<void()> round_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace bascule::hostd
