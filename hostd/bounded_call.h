// A call into a library that may never return: it runs on a thread of its own, which is left to itself when
// the time is up. What the call uses must therefore be owned by the function (captured by value).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "base/time.h"

namespace bascule::hostd {

// Before something is asked again that gives no notice. The caller bounds its loop.
inline void pause_before_asking_again() { std::this_thread::sleep_for(100ms); }

class BoundedCalls {
 public:
  explicit BoundedCalls(int most) : most_(most) {}

  // `timeout` when it doesn't end within `bound` (it may still take effect: unknown_outcome is the caller's
  // word for that), `exhausted` when too many calls hang already.
  template <class T>
  Result<T> run(Duration bound, const std::string& what, std::function<Result<T>()> call) {
    if (*under_way_ >= most_)
      return failure(ErrorCode::exhausted, what + ": " + std::to_string(most_) + " calls hang already");
    ++*under_way_;
    const auto promise = std::make_shared<std::promise<Result<T>>>();
    std::future<Result<T>> answer = promise->get_future();
    std::thread([promise, call = std::move(call), counter = under_way_]() mutable {
      Result<T> result = call();
      call = nullptr;  // a program that has its answer may end: nothing of the call's ends after it
      promise->set_value(std::move(result));
      --*counter;
    }).detach();
    if (answer.wait_for(bound) == std::future_status::ready) return answer.get();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(bound).count();
    return failure(ErrorCode::timeout, what + ": no answer within " + std::to_string(seconds) + " s");
  }

 private:
  const int most_;
  std::shared_ptr<std::atomic<int>> under_way_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace bascule::hostd
