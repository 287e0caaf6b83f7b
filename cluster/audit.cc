#include "cluster/audit.h"

#include <algorithm>

#include "base/json.h"
#include "base/sha256.h"
#include "cluster/keys.h"
#include "cluster/records.h"

namespace bascule {

namespace {

// Entries are read by the thousand: a prefix of all but the last three digits of their numbers.
constexpr std::uint64_t kPage = 1000;

Result<StoreSnapshot> read_page(Store& store, std::uint64_t page) {
  const std::string key = keys::audit(page * kPage);
  return store.read(std::string_view(key).substr(0, key.size() - 3));
}

Result<AuditEntry> decode_entry(const StoredPair& pair) {
  Result<AuditEntry> entry = json::decode_text<AuditEntry>(pair.value, json::Unknown::tolerate);
  if (!entry) return failure(entry.error().within(pair.key));
  return entry;
}

// At most `limit` entries with a number greater than `after`, oldest first.
template <class Take>
Status for_each(Store& store, std::uint64_t after, std::size_t limit, Take take) {
  const std::string first = keys::audit(after + 1);
  std::size_t taken = 0;
  for (std::uint64_t page = (after + 1) / kPage; taken < limit; ++page) {
    const Result<StoreSnapshot> snapshot = read_page(store, page);
    if (!snapshot) return failure(snapshot.error());
    if (snapshot->pairs.empty()) break;
    for (const StoredPair& pair : snapshot->pairs) {
      if (pair.key < first || taken == limit) continue;
      if (const Status done = take(pair); !done) return done;
      ++taken;
    }
  }
  return {};
}

}  // namespace

SealedEntry seal(AuditHead& head, WallTime at, const AuditRecord& record) {
  AuditEntry entry{head.number + 1, at, head.hash, record};
  KeyValue pair{keys::audit(entry.number), json::encode_text(entry)};
  head = {entry.number, sha256_hex(pair.value)};
  return {std::move(entry), std::move(pair)};
}

Result<std::vector<AuditEntry>> read_audit(Store& store, std::uint64_t after, std::size_t limit) {
  std::vector<AuditEntry> entries;
  const Status read = for_each(store, after, limit, [&entries](const StoredPair& pair) -> Status {
    Result<AuditEntry> entry = decode_entry(pair);
    if (!entry) return failure(entry.error());
    entries.push_back(std::move(*entry));
    return {};
  });
  if (!read) return failure(read.error());
  return entries;
}

Result<std::vector<std::string>> read_audit_texts(Store& store, std::uint64_t after, std::size_t limit) {
  std::vector<std::string> texts;
  const Status read = for_each(store, after, limit, [&texts](const StoredPair& pair) -> Status {
    texts.push_back(pair.value);
    return {};
  });
  if (!read) return failure(read.error());
  return texts;
}

Status verify_links(AuditHead& head, const std::vector<StoredPair>& pairs) {
  for (const StoredPair& pair : pairs) {
    const std::uint64_t number = head.number + 1;
    if (pair.key != keys::audit(number))
      return failure(audit_damage(number, pair.key > keys::audit(number) ? "is missing" : "stands twice"));
    if (const Status follows = follow_audit(head, pair.value); !follows) return follows;
  }
  return {};
}

Result<std::uint64_t> verify_chain(Store& store) {
  // The marker is read first: entries that are added meanwhile lie beyond it.
  const Result<StoreSnapshot> stored = store.read(keys::kMarker);
  if (!stored) return failure(stored.error());
  AuditHead last;
  for (const StoredPair& pair : stored->pairs) {
    if (pair.key != keys::kMarker) continue;
    const Result<CommitMarker> marker = decode_marker(pair.value);
    if (!marker) return failure(marker.error());
    last = marker->audit;
  }
  AuditHead head;
  for (std::uint64_t page = 0; head.number < last.number; ++page) {
    Result<StoreSnapshot> snapshot = read_page(store, page);
    if (!snapshot) return failure(snapshot.error());
    std::erase_if(snapshot->pairs,
                  [&](const StoredPair& pair) { return pair.key > keys::audit(last.number); });
    if (snapshot->pairs.empty()) return failure(audit_damage(head.number + 1, "is missing"));
    if (const Status links = verify_links(head, snapshot->pairs); !links) return failure(links.error());
  }
  if (head.hash != last.hash) return failure(audit_damage(last.number, "was changed"));
  return head.number;
}

}  // namespace bascule
