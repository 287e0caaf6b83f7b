#include "api/token_use.h"

#include <algorithm>

namespace bascule::api {
namespace {

template <class Map>
void make_room(Map& map, const typename Map::key_type& name, std::size_t most) {
  if (map.size() < most || map.contains(name)) return;
  map.erase(std::min_element(map.begin(), map.end(),
                             [](const auto& a, const auto& b) { return a.second < b.second; }));
}

}  // namespace

Duration TokenUse::wait_for(Instant paid_until, Rate rate, int cost, Instant now) {
  const Instant paid = std::max(paid_until, now) + rate.each * cost;
  return paid > now + rate.burst ? paid - now - rate.burst : 0s;
}

void TokenUse::pay(const std::string& name, Rate rate, int cost, Instant now) {
  make_room(paid_until_, name, kMostUsers);
  Instant& paid = paid_until_[name];
  paid = std::max(paid, now) + rate.each * cost;
}

Duration TokenUse::note(const Caller& caller, int cost, Instant now, WallTime wall) {
  const std::lock_guard lock(mutex_);
  make_room(last_, caller.token, kMost);
  last_[caller.token] = wall;
  const auto paid_by = [this](const std::string& name) {
    const auto found = paid_until_.find(name);
    return found == paid_until_.end() ? Instant() : found->second;
  };
  const Duration wait = std::max(wait_for(paid_by(caller.user.value), kOfUser, cost, now),
                                 wait_for(paid_by(caller.tenant.value), kOfTenant, cost, now));
  if (wait > 0s) return wait;
  pay(caller.user.value, kOfUser, cost, now);
  pay(caller.tenant.value, kOfTenant, cost, now);
  return 0s;
}

TokenUse::Left TokenUse::left(const OperatorId& user, Instant now) const {
  const std::lock_guard lock(mutex_);
  const auto found = paid_until_.find(user.value);
  const Duration owed = found == paid_until_.end() ? Duration() : std::max(found->second - now, Duration());
  return {kOfUser.burst / kOfUser.each, std::max(kOfUser.burst - owed, Duration()) / kOfUser.each, owed};
}

std::optional<WallTime> TokenUse::last(const TokenId& token) const {
  const std::lock_guard lock(mutex_);
  const auto found = last_.find(token);
  if (found == last_.end()) return std::nullopt;
  return found->second;
}

}  // namespace bascule::api
