#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "base/ensure.h"
#include "cluster/fence_agents.h"

namespace bascule {

class FenceAgents::Pool {
 public:
  Pool(std::map<HostId, std::unique_ptr<PowerFence>> fences, std::size_t threads, Done done)
      : fences_(std::move(fences)), most_reads_((threads + 1) / 2), done_(std::move(done)) {
    ensure(threads > 0, "a pool of fence agents has threads");
    for (std::size_t i = 0; i < threads; ++i)
      threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }

  ~Pool() {
    for (std::jthread& thread : threads_) thread.request_stop();
    threads_.clear();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  Status request(FenceRequest request) {
    if (!fences_.contains(request.host))
      return failure(ErrorCode::not_found, "no BMC is configured for host " + request.host.value);
    const std::lock_guard lock(mutex_);
    std::deque<FenceRequest>& queue = is_read(request) ? reads_ : commands_;
    if (queue.size() >= 2 * fences_.size() + 2)
      return failure(ErrorCode::exhausted, "too many requests wait for BMCs; try again later");
    queue.push_back(std::move(request));
    changed_.notify_one();
    return {};
  }

 private:
  static bool is_read(const FenceRequest& request) {
    return request.verb == FenceVerb::identity || request.verb == FenceVerb::status;
  }

  // Under the lock. Commands of one host follow each other; reads don't wait for them.
  std::optional<FenceRequest> next() {
    for (auto command = commands_.begin(); command != commands_.end(); ++command) {
      if (!commanded_.insert(command->host).second) continue;
      FenceRequest taken = std::move(*command);
      commands_.erase(command);
      return taken;
    }
    if (reads_.empty() || reading_ >= most_reads_) return std::nullopt;
    FenceRequest taken = std::move(reads_.front());
    reads_.pop_front();
    ++reading_;
    return taken;
  }

  void work(const std::stop_token& stop) {
    for (;;) {
      std::unique_lock lock(mutex_);
      std::optional<FenceRequest> request;
      changed_.wait(lock, stop, [&] {
        request = stop.stop_requested() ? std::nullopt : next();
        return request.has_value();
      });
      if (!request) return;
      lock.unlock();
      FenceOutcome outcome = perform(*request, stop);
      if (stop.stop_requested()) return;
      done_(std::move(outcome));
      lock.lock();
      if (is_read(*request))
        --reading_;
      else
        commanded_.erase(request->host);
      changed_.notify_all();
    }
  }

  FenceOutcome perform(const FenceRequest& request, const std::stop_token& stop) {
    PowerFence& fence = *fences_.at(request.host);
    FenceOutcome outcome{request, std::monostate{}};
    const auto keep = [&outcome](const auto& result) {
      if (result)
        outcome.result = *result;
      else
        outcome.result = failure(result.error());
    };
    switch (request.verb) {
      case FenceVerb::identity:
        keep(fence.identity(stop));
        break;
      case FenceVerb::status:
        keep(fence.status(stop));
        break;
      case FenceVerb::off_verified:
        keep(fence.off_verified(request.expected, stop));
        break;
      case FenceVerb::on:
        if (const Status s = fence.on(request.expected, stop); !s) outcome.result = failure(s.error());
        break;
    }
    return outcome;
  }

  const std::map<HostId, std::unique_ptr<PowerFence>> fences_;
  const std::size_t most_reads_;
  const Done done_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<FenceRequest> commands_;
  std::deque<FenceRequest> reads_;
  std::set<HostId> commanded_;  // a command is under way
  std::size_t reading_ = 0;
  std::vector<std::jthread> threads_;  // last: they use all of the above
};

FenceAgents::FenceAgents(std::map<HostId, std::unique_ptr<PowerFence>> fences, std::size_t threads, Done done)
    : pool_(std::make_unique<Pool>(std::move(fences), threads, std::move(done))) {}
FenceAgents::~FenceAgents() = default;
Status FenceAgents::request(FenceRequest request) { return pool_->request(std::move(request)); }

}  // namespace bascule
