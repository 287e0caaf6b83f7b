#include "cluster/store_memory.h"

#include <algorithm>

#include "base/ensure.h"

namespace bascule {
namespace {
Error away() { return {ErrorCode::unavailable, "the store doesn't answer; it is tried again"}; }
}  // namespace

MemoryStore::MemoryStore(const Clock& clock, Epoch epoch) : clock_(clock) {
  identity_ = {std::move(epoch), true, false};
}

StoreIdentity MemoryStore::identity() const {
  const std::lock_guard lock(mutex_);
  return identity_;
}

Result<StoreSnapshot> MemoryStore::read(std::string_view prefix) {
  const std::lock_guard lock(mutex_);
  if (away_) return failure(away());
  StoreSnapshot snapshot{revision_, {}};
  for (auto entry = entries_.lower_bound(prefix); entry != entries_.end(); ++entry) {
    if (!entry->first.starts_with(prefix)) break;
    if (entry->second.value)
      snapshot.pairs.push_back({entry->first, *entry->second.value, entry->second.revision});
  }
  return snapshot;
}

Result<Revision> MemoryStore::commit(const Transaction& transaction) {
  if (const Status s = check_transaction(transaction); !s) return failure(s.error());
  const std::lock_guard lock(mutex_);
  if (away_) return failure(away());
  const StoreFault fault = fault_ ? fault_(transaction) : StoreFault::none;
  if (fault == StoreFault::refused) return failure(away());
  const Error lost{ErrorCode::unknown_outcome, "the store's answer to a commit was lost; re-read to know"};
  if (fault == StoreFault::lost_request) return failure(lost);
  const Status compared = compare(transaction);
  if (compared) apply(transaction);
  if (fault == StoreFault::lost_answer) return failure(lost);
  if (!compared) return failure(compared.error());
  return revision_;
}

Status MemoryStore::compare(const Transaction& transaction) const {
  const auto term_entry = entries_.find(kTermKey);
  const Result<Term> term =
      parse_term(term_entry == entries_.end() ? std::nullopt : term_entry->second.value);
  if (!term) return failure(term.error());
  if (const Status s = compare_term(transaction, *term); !s) return s;
  for (const Expectation& expectation : transaction.expect) {
    const auto entry = entries_.find(expectation.key);
    std::optional<Revision> stored;
    if (entry != entries_.end() && entry->second.value) stored = entry->second.revision;
    if (const Status s = compare_expectation(expectation, stored); !s) return s;
  }
  return {};
}

void MemoryStore::apply(const Transaction& transaction) {
  revision_ = revision_.next();
  for (const KeyValue& put : transaction.puts) entries_[put.key] = {put.value, revision_};
  for (const std::string& key : transaction.deletes) {
    const auto entry = entries_.find(key);
    if (entry == entries_.end() || !entry->second.value) continue;
    entry->second = {std::nullopt, revision_};
    deletions_.push_back({revision_, key});
  }
  while (deletions_.size() > kRememberedDeletions) {
    const auto [revision, key] = deletions_.front();
    deletions_.pop_front();
    forgotten_ = revision;
    const auto entry = entries_.find(key);
    if (entry != entries_.end() && !entry->second.value && entry->second.revision == revision)
      entries_.erase(entry);
  }
}

Result<StoreChanges> MemoryStore::changes(Revision after, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  if (away_) return failure(away());
  if (const Status s = check_changes_after(after, forgotten_); !s) return failure(s.error());
  std::vector<StoreChange> rows;
  for (const auto& [key, entry] : entries_)
    if (entry.revision > after) rows.push_back({key, entry.value, entry.revision});
  std::stable_sort(rows.begin(), rows.end(),
                   [](const StoreChange& a, const StoreChange& b) { return a.revision < b.revision; });
  return cut_changes(std::move(rows), std::clamp<std::size_t>(limit, 1, kMostChanges), revision_);
}

Result<StoreLease> MemoryStore::grant(std::string_view name, std::string_view holder, Duration ttl) {
  const std::lock_guard lock(mutex_);
  if (away_) return failure(away());
  const auto held = leases_.find(name);
  if (held != leases_.end() && held->second.until > clock_.now() && held->second.lease.holder != holder)
    return failure(ErrorCode::conflict,
                   "lease " + std::string(name) + " is held by " + held->second.lease.holder);
  const StoreLease lease{std::string(name), std::string(holder), ++last_lease_, ttl};
  leases_[lease.name] = {lease, clock_.now() + ttl};
  return lease;
}

Status MemoryStore::renew(const StoreLease& lease) {
  const std::lock_guard lock(mutex_);
  if (away_) return failure(away());
  const auto held = leases_.find(lease.name);
  if (held == leases_.end() || held->second.lease.id != lease.id || held->second.until <= clock_.now())
    return failure(ErrorCode::not_found, "lease " + lease.name + " of " + lease.holder + " has lapsed");
  held->second.until = clock_.now() + lease.ttl;
  return {};
}

Status MemoryStore::revoke(const StoreLease& lease) {
  const std::lock_guard lock(mutex_);
  if (away_) return failure(away());
  const auto held = leases_.find(lease.name);
  if (held != leases_.end() && held->second.lease.id == lease.id) leases_.erase(held);
  return {};
}

void MemoryStore::inject(std::function<StoreFault(const Transaction&)> fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
}

void MemoryStore::set_away(bool away) {
  const std::lock_guard lock(mutex_);
  away_ = away;
}

StoreSnapshot MemoryStore::backup() {
  const Result<StoreSnapshot> all = read("");
  ensure(all.has_value(), "a backup is taken of a store that is there");
  return *all;
}

void MemoryStore::restore(const StoreSnapshot& old, std::string new_epoch_id) {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  deletions_.clear();
  for (const StoredPair& pair : old.pairs) entries_[pair.key] = {pair.value, pair.revision};
  // Revisions never repeat, also over a restoration; what was deleted by it is not remembered one by one.
  revision_ = revision_.next();
  forgotten_ = revision_;
  entries_[std::string(kRecoveringKey)] = {R"({"reason":"a backup was restored"})", revision_};
  identity_ = {{std::move(new_epoch_id), identity_.epoch.number.next()}, false, true};
}

}  // namespace bascule
