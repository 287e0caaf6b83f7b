#include "api/token_use.h"

#include <algorithm>

namespace bascule::api {

Duration TokenUse::note(const TokenId& token, Instant now, WallTime wall) {
  const std::lock_guard lock(mutex_);
  if (uses_.size() >= kMost && !uses_.contains(token))
    uses_.erase(std::min_element(uses_.begin(), uses_.end(), [](const auto& a, const auto& b) {
      return a.second.paid_until < b.second.paid_until;
    }));
  Use& use = uses_[token];
  use.last = wall;
  const Instant paid = std::max(use.paid_until, now) + kEach;
  if (paid > now + kBurst) return paid - now - kBurst;
  use.paid_until = paid;
  return 0s;
}

std::optional<WallTime> TokenUse::last(const TokenId& token) const {
  const std::lock_guard lock(mutex_);
  const auto found = uses_.find(token);
  if (found == uses_.end()) return std::nullopt;
  return found->second.last;
}

}  // namespace bascule::api
