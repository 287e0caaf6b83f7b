#include "cluster/audit.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/ensure.h"
#include "base/json.h"
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

Error broken(std::uint64_t number, std::string_view what) {
  return {ErrorCode::corrupt,
          "audit entry " + std::to_string(number) + " " + std::string(what) +
              ": the audit was tampered with or the database is damaged; compare with a backup"};
}

Result<AuditEntry> decode_entry(const StoredPair& pair) {
  Result<AuditEntry> entry = json::decode_text<AuditEntry>(pair.value, json::Unknown::tolerate);
  if (!entry) return failure(entry.error().within(pair.key));
  return entry;
}

}  // namespace

std::string sha256(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  ensure(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) == 1,
         "SHA-256 is available");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hexadecimal;
  for (unsigned int i = 0; i < size; ++i) {
    hexadecimal += kDigits[digest[i] >> 4];
    hexadecimal += kDigits[digest[i] & 15];
  }
  return hexadecimal;
}

SealedEntry seal(AuditHead& head, WallTime at, const AuditRecord& record) {
  AuditEntry entry{head.number + 1, at, head.hash, record};
  KeyValue pair{keys::audit(entry.number), json::encode_text(entry)};
  head = {entry.number, sha256(pair.value)};
  return {std::move(entry), std::move(pair)};
}

Result<std::vector<AuditEntry>> read_audit(Store& store, std::uint64_t after, std::size_t limit) {
  std::vector<AuditEntry> entries;
  for (std::uint64_t page = (after + 1) / kPage; entries.size() < limit; ++page) {
    const Result<StoreSnapshot> snapshot = read_page(store, page);
    if (!snapshot) return failure(snapshot.error());
    if (snapshot->pairs.empty()) break;
    for (const StoredPair& pair : snapshot->pairs) {
      Result<AuditEntry> entry = decode_entry(pair);
      if (!entry) return failure(entry.error());
      if (entry->number > after && entries.size() < limit) entries.push_back(std::move(*entry));
    }
  }
  return entries;
}

Status verify_links(AuditHead& head, const std::vector<StoredPair>& pairs) {
  for (const StoredPair& pair : pairs) {
    const std::uint64_t number = head.number + 1;
    if (pair.key != keys::audit(number))
      return failure(broken(number, pair.key > keys::audit(number) ? "is missing" : "stands twice"));
    const Result<AuditEntry> entry = decode_entry(pair);
    if (!entry) return failure(broken(number, "can't be read (" + entry.error().message + ")"));
    if (entry->number != number) return failure(broken(number, "stands in the wrong place"));
    if (entry->previous != head.hash)
      return failure(number == 1 ? broken(1, "doesn't begin the chain") : broken(number - 1, "was changed"));
    head = {number, sha256(pair.value)};
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
    if (snapshot->pairs.empty()) return failure(broken(head.number + 1, "is missing"));
    if (const Status links = verify_links(head, snapshot->pairs); !links) return failure(links.error());
  }
  if (head.hash != last.hash) return failure(broken(last.number, "was changed"));
  return head.number;
}

}  // namespace bascule
