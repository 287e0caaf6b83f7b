// The audit: who decided what about what, and why, as a chain. Each entry carries the hash of the text before
// it, and the commit marker the hash of the last, so that a changed, missing or reordered entry shows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/audit_chain.h"
#include "base/fields.h"
#include "base/result.h"
#include "base/time.h"
#include "cluster/store.h"
#include "failover/audit_record.h"

namespace bascule {

// Stored under keys::audit(number). Numbers are consecutive from 1.
struct AuditEntry {
  std::uint64_t number = 0;
  WallTime at;
  std::string previous;  // SHA-256 of the text of entry number - 1, hexadecimal; of the first: 64 zeros
  AuditRecord record;
};
template <class V>
void fields(V& v, AuditEntry& x) {
  v("number", x.number);
  v("at", x.at);
  v("previous", x.previous);
  v("record", x.record);
}

// Makes the next entry, moves `head` to it, and gives its pair for the store.
struct SealedEntry {
  AuditEntry entry;
  KeyValue pair;
};
SealedEntry seal(AuditHead& head, WallTime at, const AuditRecord& record);

// At most `limit` entries with a number greater than `after`, oldest first. `corrupt` names an entry that
// doesn't decode. Blocks as the store does.
Result<std::vector<AuditEntry>> read_audit(Store& store, std::uint64_t after, std::size_t limit);

// Their texts as they are stored. What follows a gap isn't given.
Result<std::vector<std::string>> read_audit_texts(Store& store, std::uint64_t after, std::size_t limit);

// Follows the chain through `pairs` (audit entries as stored, in key order) on from `head`, which moves
// along. `corrupt` names the first entry that was changed, is missing or stands in the wrong place.
Status verify_links(AuditHead& head, const std::vector<StoredPair>& pairs);

// The whole chain, up to the commit marker; gives the number of entries.
Result<std::uint64_t> verify_chain(Store& store);

}  // namespace bascule
