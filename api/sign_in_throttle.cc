#include "api/sign_in_throttle.h"

#include <algorithm>
#include <utility>

#include "base/net/http.h"

namespace bascule::api {

Duration SignInThrottle::Ledger::wait(const std::string& name, Instant now) const {
  const auto found = failures_.find(name);
  return found == failures_.end() ? Duration::zero() : std::max(found->second.until - now, Duration::zero());
}

void SignInThrottle::Ledger::add(const std::string& name, Instant now) {
  // What has been quiet for the longest wait counts no more; who failed least goes when there are too many.
  if (failures_.size() >= kMost && !failures_.contains(name))
    failures_.erase(std::min_element(failures_.begin(), failures_.end(), [](const auto& a, const auto& b) {
      return std::pair(a.second.count, a.second.until) < std::pair(b.second.count, b.second.until);
    }));
  Failures& failures = failures_[name];
  if (failures.count > 0 && now - failures.until > kLongestOfSource) failures = {};
  ++failures.count;
  const int doublings = std::clamp(failures.count - free_, 0, 11);
  failures.until = now + (doublings == 0 ? 0s : std::min<Duration>(500ms * (1 << doublings), longest_));
}

Duration SignInThrottle::wait(const std::string& account, const std::string& source, Instant now) const {
  const std::lock_guard lock(mutex_);
  return std::max(accounts_.wait(account, now), sources_.wait(net::network_of(source), now));
}

void SignInThrottle::failed(const std::string& account, const std::string& source, Instant now) {
  const std::lock_guard lock(mutex_);
  accounts_.add(account, now);
  sources_.add(net::network_of(source), now);
}

void SignInThrottle::failed_at(const std::string& source, Instant now) {
  const std::lock_guard lock(mutex_);
  sources_.add(net::network_of(source), now);
}

void SignInThrottle::succeeded(const std::string& account) {
  const std::lock_guard lock(mutex_);
  accounts_.forget(account);
}

}  // namespace bascule::api
