// The store in memory: for tests and the simulator, where several managers share one and answers get lost.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "cluster/store.h"

namespace bascule {

// What happens to one commit. Decided by the simulator.
enum class StoreFault {
  none,
  refused,       // `unavailable`, nothing changed
  lost_request,  // `unknown_outcome`, nothing changed
  lost_answer,   // `unknown_outcome`, all changed
};

class MemoryStore final : public Store {
 public:
  // `clock` tells when leases lapse; it must outlive the store.
  explicit MemoryStore(const Clock& clock, Epoch epoch = {"memory", EpochNumber(1)});

  StoreIdentity identity() const override;
  Result<StoreSnapshot> read(std::string_view prefix) override;
  Result<Revision> commit(const Transaction& transaction) override;
  Result<StoreChanges> changes(Revision after, std::size_t limit) override;
  Result<StoreLease> grant(std::string_view name, std::string_view holder, Duration ttl) override;
  Status renew(const StoreLease& lease) override;
  Status revoke(const StoreLease& lease) override;

  // Asked before each commit, under the store's lock: it must not call the store.
  void inject(std::function<StoreFault(const Transaction&)> fault);
  // While true every call answers `unavailable`.
  void set_away(bool away);

  // A backup and its restoration, which makes the next epoch as any backend does.
  StoreSnapshot backup();
  void restore(const StoreSnapshot& old, std::string new_epoch_id);

 private:
  struct Entry {
    std::optional<std::string> value;  // nothing: deleted
    Revision revision;
  };
  struct Held {
    StoreLease lease;
    Instant until;
  };

  Status compare(const Transaction& transaction) const;
  void apply(const Transaction& transaction);

  const Clock& clock_;
  mutable std::mutex mutex_;
  StoreIdentity identity_;
  Revision revision_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::deque<std::pair<Revision, std::string>> deletions_;
  Revision forgotten_;  // deletions up to this one are not remembered
  std::map<std::string, Held, std::less<>> leases_;
  std::uint64_t last_lease_ = 0;
  std::function<StoreFault(const Transaction&)> fault_;
  bool away_ = false;
};

}  // namespace bascule
