#include "cluster/notify.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"
#include "cluster/notify_delivery.h"

namespace bascule {

// One channel: its routes, its waiting notices and its thread.
class Courier::ChannelThread {
 public:
  ChannelThread(Channel channel, CourierConfig config, const Clock& clock, Callbacks callbacks)
      : channel_(channel),
        config_(std::move(config)),
        clock_(clock),
        callbacks_(std::move(callbacks)),
        skip_until_(routes()),
        thread_([this](const std::stop_token& stop) { work(stop); }) {}

  std::size_t routes() const { return channel_ == Channel::mail ? config_.mail.size() : config_.sms.size(); }

  Status deliver(const Notice& notice) {
    const std::lock_guard lock(mutex_);
    if (routes() == 0)
      return failure(ErrorCode::not_found, "no route is configured for " + std::string(name_of(channel_)));
    const auto same = [&](const Waiting& waiting) { return waiting.notice.id == notice.id; };
    if (under_way_ == notice.id || std::any_of(waiting_.begin(), waiting_.end(), same)) return {};
    if (waiting_.size() >= config_.capacity)
      return failure(ErrorCode::exhausted, "too many notices wait for " + std::string(name_of(channel_)) +
                                               "; they stay in the outbox");
    waiting_.push_back({notice, clock_.now(), config_.first_retry, {}});
    changed_.notify_one();
    return {};
  }

 private:
  struct Waiting {
    Notice notice;
    Instant next_try;
    Duration backoff{};
    std::set<std::string> reached;  // numbers that have it already: a retry doesn't ring them again
  };

  void work(const std::stop_token& stop) {
    // OpenSSL may write to a connection that is gone.
    sigset_t pipe;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (std::optional<Waiting> waiting = next(stop)) {
      const Result<std::size_t> route = attempt(*waiting, stop);
      if (stop.stop_requested()) return;
      if (route)
        succeed(*waiting, *route);
      else
        fail(std::move(*waiting), route.error());
    }
  }

  // The notice whose turn came first; nothing at a stop.
  std::optional<Waiting> next(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      const auto first =
          std::min_element(waiting_.begin(), waiting_.end(),
                           [](const Waiting& a, const Waiting& b) { return a.next_try < b.next_try; });
      const Instant now = clock_.now();
      if (first == waiting_.end()) {
        changed_.wait(lock, stop, [this] { return !waiting_.empty(); });
      } else if (first->next_try > now) {
        const std::size_t before = waiting_.size();
        changed_.wait_for(lock, stop, first->next_try - now,
                          [this, before] { return waiting_.size() != before; });
      } else {
        Waiting taken = std::move(*first);
        waiting_.erase(first);
        under_way_ = taken.notice.id;
        return taken;
      }
    }
    return std::nullopt;
  }

  // The route that took it. Routes that failed lately are asked last, so that a dead first route doesn't
  // cost each notice a timeout.
  Result<std::size_t> attempt(Waiting& waiting, const std::stop_token& stop) {
    std::vector<std::size_t> order;
    const Instant now = clock_.now();
    for (std::size_t i = 0; i < routes(); ++i)
      if (skip_until_[i] <= now) order.push_back(i);
    for (std::size_t i = 0; i < routes(); ++i)
      if (skip_until_[i] > now) order.push_back(i);
    Error last;
    for (const std::size_t route : order) {
      const Status sent = send(route, waiting, {config_.timeout, stop});
      if (sent) {
        skip_until_[route] = Instant();
        return route;
      }
      if (stop.stop_requested()) return failure(sent.error());
      skip_until_[route] = clock_.now() + config_.last_retry;
      last = sent.error();
      log(LogLevel::warning, "notify", "route_failed",
          {{"channel", name_of(channel_)}, {"notice", waiting.notice.id}, {"error", last.message}});
    }
    return failure(last);
  }

  Status send(std::size_t route, Waiting& waiting, const Attempt& attempt) {
    if (channel_ == Channel::mail)
      return send_mail(config_.mail[route], config_.cluster, waiting.notice, attempt);
    Status result;
    for (const std::string& number : config_.sms[route].to) {
      if (waiting.reached.contains(number)) continue;
      const Status sent = send_sms(config_.sms[route], number, waiting.notice, attempt);
      if (sent)
        waiting.reached.insert(number);
      else
        result = sent;
      if (!sent && sent.error().code == ErrorCode::timeout) break;  // the gateway, not the number
    }
    return result;
  }

  void succeed(const Waiting& waiting, std::size_t route) {
    std::unique_lock lock(mutex_);
    under_way_ = NoticeId();
    const bool was_dead = std::exchange(failures_, 0) >= kFailuresOfDead;
    if (was_dead)  // what waits for a late retry goes now
      for (Waiting& other : waiting_) other.next_try = std::min(other.next_try, clock_.now());
    lock.unlock();
    if (was_dead) callbacks_.status({channel_, true, clock_.wall(), {}});
    callbacks_.accepted({waiting.notice.id, channel_, route});
  }

  void fail(Waiting waiting, const Error& error) {
    std::unique_lock lock(mutex_);
    under_way_ = NoticeId();
    waiting.next_try = clock_.now() + waiting.backoff;
    waiting.backoff = std::min(2 * waiting.backoff, config_.last_retry);
    waiting_.push_back(std::move(waiting));
    if (++failures_ == 1) failing_since_ = clock_.wall();
    const bool died = failures_ == kFailuresOfDead;
    lock.unlock();
    if (died) callbacks_.status({channel_, false, failing_since_, error});
  }

  // One lost attempt is no fault yet: the next follows in a second.
  static constexpr std::uint64_t kFailuresOfDead = 2;

  const Channel channel_;
  const CourierConfig config_;
  const Clock& clock_;
  const Callbacks callbacks_;
  std::vector<Instant> skip_until_;  // per route; of the thread alone, as the next two
  std::uint64_t failures_ = 0;       // attempts since the last success
  WallTime failing_since_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Waiting> waiting_;
  NoticeId under_way_;
  std::jthread thread_;  // last: it uses all of the above
};

Courier::Courier(CourierConfig config, const Clock& clock, Callbacks callbacks)
    : mail_(std::make_unique<ChannelThread>(Channel::mail, config, clock, callbacks)),
      sms_(std::make_unique<ChannelThread>(Channel::sms, config, clock, callbacks)) {}
Courier::~Courier() = default;

bool Courier::wants(Channel channel, const Notice& notice) const {
  if (channel == Channel::mail) return mail_->routes() > 0;
  return sms_->routes() > 0 && !notice.sms_text.empty();
}

Status Courier::deliver(Channel channel, const Notice& notice) {
  return (channel == Channel::mail ? mail_ : sms_)->deliver(notice);
}

}  // namespace bascule
