#include "cluster/trail.h"

#include <algorithm>

namespace bascule {
namespace {

bool concerns(const AuditEntry& entry, const TenantId& tenant) {
  return tenant.empty() || entry.record.tenant == tenant;
}

}  // namespace

// Whether all that came after `after` is here.
bool Trail::reaches(std::uint64_t after) const {
  return after >= last_ || (!entries_.empty() && entries_.front().number <= after + 1);
}

std::size_t Trail::index_after(std::uint64_t after) const {
  return after >= last_ ? entries_.size() : after + 1 - entries_.front().number;
}

void Trail::add(std::vector<AuditEntry> entries) {
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(followers_, [&](Follower& follower) {
      const bool ready = std::any_of(entries.begin(), entries.end(), [&](const AuditEntry& entry) {
        return concerns(entry, follower.tenant);
      });
      if (ready) calls.push_back(std::move(follower.call));
      return ready;
    });
    last_ = entries.back().number;
    std::move(entries.begin(), entries.end(), std::back_inserter(entries_));
    while (entries_.size() > limits_.entries) entries_.pop_front();
  }
  for (const auto& call : calls) call();
}

std::optional<Trail::Page> Trail::read(std::uint64_t after, std::size_t limit, const TenantId& tenant) const {
  const std::lock_guard lock(mutex_);
  if (!reaches(after)) return std::nullopt;
  Page page{{}, std::min(after, last_)};
  for (std::size_t i = index_after(after); i < entries_.size() && page.entries.size() < limit; ++i) {
    page.next = entries_[i].number;
    if (concerns(entries_[i], tenant)) page.entries.push_back(entries_[i]);
  }
  return page;
}

bool Trail::follow(std::uint64_t after, const TenantId& tenant, Instant until, std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    const bool ready =
        !reaches(after) ||
        std::any_of(entries_.begin() + static_cast<std::ptrdiff_t>(index_after(after)), entries_.end(),
                    [&](const AuditEntry& entry) { return concerns(entry, tenant); });
    if (!ready && !ended_) {
      if (followers_.size() >= limits_.followers) return false;
      followers_.push_back({tenant, until, std::move(call)});
      return true;
    }
  }
  call();
  return true;
}

void Trail::expire(Instant now) {
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(followers_, [&](Follower& follower) {
      if (follower.until > now) return false;
      calls.push_back(std::move(follower.call));
      return true;
    });
  }
  for (const auto& call : calls) call();
}

void Trail::end() {
  std::vector<Follower> open;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    open.swap(followers_);
  }
  for (const Follower& follower : open) follower.call();
}

}  // namespace bascule
