// Store: the cluster's memory. Pairs of key and JSON text, changed only by compare-and-set transactions.
//
// Keys read like paths, "host/paris-1"; values are JSON text that the store doesn't look into, with one
// exception: the key kTermKey holds the term of leadership as a plain number ("7"; absent means 0), and each
// commit compares it. Every commit makes the next Revision; each pair carries the revision that last put it.
//
// Threads: any thread may call, calls are serialized inside. Calls block: a commit returns when it is durable
// (SQLite: after fsync), so never call from the lease plane. Every wait is bounded (a few seconds).
//
// Errors that all backends share:
//   conflict         an expectation or the term doesn't hold; nothing was changed. Re-read and decide anew.
//   unknown_outcome  the answer was lost: the transaction is wholly there or not at all. Re-read to know.
//   unavailable      not now, and nothing was changed.
//   exhausted        a bound below is exceeded; nothing was changed.
//   corrupt          the stored data is damaged; the message says what to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule {

inline constexpr std::string_view kTermKey = "term";
// An object with `reason`. Written by the store when it finds itself restored or copied, deleted by a commit
// of the manager when the recovery is over: so a manager that is killed while recovering comes back
// recovering.
inline constexpr std::string_view kRecoveringKey = "recovering";

inline constexpr std::size_t kLongestKey = 512;                      // bytes; no control characters
inline constexpr std::size_t kLargestValue = 1024 * 1024;            // bytes
inline constexpr std::size_t kMostOperations = 100;                  // puts and deletes; as many expectations
inline constexpr std::size_t kLargestTransaction = 4 * 1024 * 1024;  // bytes of keys and values
inline constexpr std::size_t kMostChanges = 10'000;                  // in one answer of changes()

struct StoredPair {
  std::string key;
  std::string value;
  Revision revision;  // of the commit that put it
  bool operator==(const StoredPair&) const = default;
};

// All pairs of a prefix as they stood together at one revision, in the order of their keys.
struct StoreSnapshot {
  Revision revision;
  std::vector<StoredPair> pairs;
};

struct Expectation {
  std::string key;
  std::optional<Revision> revision;  // nothing: the key must be absent
};

struct KeyValue {
  std::string key;
  std::string value;
};

// All or nothing. A key may stand once among puts and deletes. Deleting an absent key is no error.
struct Transaction {
  std::vector<Expectation> expect;
  Term expect_term;  // always compared, also when kTermKey itself is put
  std::vector<KeyValue> puts;
  std::vector<std::string> deletes;
};

struct StoreChange {
  std::string key;
  std::optional<std::string> value;  // nothing: deleted
  Revision revision;
};

// What changed after a revision: each changed key once, with its latest value, in order of revision. Complete
// up to `through`; ask again after it while `more`.
struct StoreChanges {
  std::vector<StoreChange> changes;
  Revision through;
  bool more = false;
};

// A leadership lease: held by one holder at a time until it lapses or is revoked.
struct StoreLease {
  std::string name;    // "leader"
  std::string holder;  // the manager's id
  std::uint64_t id = 0;
  Duration ttl{};  // counted from the *send* of the grant or renewal, on the caller's clock
};

// Which database this is.
struct StoreIdentity {
  Epoch epoch;
  bool created = false;   // this open made it
  bool restored = false;  // an older or copied database was found, now or earlier: kRecoveringKey stands
};

class Store {
 public:
  virtual ~Store() = default;

  virtual StoreIdentity identity() const = 0;

  // All pairs whose key starts with `prefix`; "" means all.
  virtual Result<StoreSnapshot> read(std::string_view prefix) = 0;

  virtual Result<Revision> commit(const Transaction& transaction) = 0;

  // At most about `limit` changes (≤ kMostChanges); a transaction is never split, so one answer may exceed it
  // by less than kMostOperations. `not_found` when `after` is older than the store remembers deletions: read
  // the prefix again.
  virtual Result<StoreChanges> changes(Revision after, std::size_t limit) = 0;

  // `conflict` while another holder has the lease. With SQLite there is one process, so this is a formality.
  virtual Result<StoreLease> grant(std::string_view name, std::string_view holder, Duration ttl) = 0;
  virtual Status renew(const StoreLease& lease) = 0;   // `not_found` when it has lapsed or was revoked
  virtual Status revoke(const StoreLease& lease) = 0;  // no error when it is gone already
};

// ---- For the backends ----

inline constexpr std::size_t kRememberedDeletions = 10'000;

// The bounds above and the form of keys, checked by every backend before anything else. A put of kTermKey
// must be a number above expect_term; it can't be deleted.
Status check_transaction(const Transaction& transaction);
Result<Term> parse_term(const std::optional<std::string>& stored);
Status compare_term(const Transaction& transaction, Term stored);
Status compare_expectation(const Expectation& expectation, std::optional<Revision> stored);
// Cuts rows that are ordered by revision so that no transaction is split. `rows` may hold more than `limit`.
StoreChanges cut_changes(std::vector<StoreChange> rows, std::size_t limit, Revision now);
Status check_changes_after(Revision after, Revision forgotten);

}  // namespace bascule
