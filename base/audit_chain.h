// The audit as a chain of texts, and the checkpoints that sign it: all that somebody needs who has an export
// and the public key, and trusts nothing else.
//
// Each text is a JSON object with `number`, consecutive from 1, and `previous`, the SHA-256 of the text
// before it in hexadecimal. A checkpoint signs how far the chain had come: kept outside, it shows that an end
// was cut off, or that everything was written anew.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "base/id.h"
#include "base/result.h"
#include "base/signing.h"
#include "base/time.h"

namespace bascule {

// The end of the chain: where the next entry is hung.
struct AuditHead {
  std::uint64_t number = 0;  // of the last entry; 0: none yet
  std::string hash = std::string(64, '0');
  bool operator==(const AuditHead&) const = default;
};
template <class V>
void fields(V& v, AuditHead& x) {
  v("number", x.number);
  v("hash", x.hash);
}

// `head` moves to that text when it is the next of the chain. `corrupt` names the first entry that was
// changed, is missing, stands twice or in the wrong place.
Status follow_audit(AuditHead& head, std::string_view text);

Error audit_damage(std::uint64_t number, std::string_view what);

struct AuditCheckpoint {
  ClusterId cluster;
  AuditHead head;
  WallTime at;
  std::string signature;
};
template <class V>
void fields(V& v, AuditCheckpoint& x) {
  v("cluster", x.cluster);
  v("head", x.head);
  v("at", x.at);
  v("signature", x.signature);
}

AuditCheckpoint sign_checkpoint(const SigningKey& key, const ClusterId& cluster, const AuditHead& head,
                                WallTime at);
Status check_checkpoint(const AuditCheckpoint& checkpoint, const std::string& public_pem);

// A line of an export: an entry's text as it is stored, or {"checkpoint": …} after the last entry that it
// signs.
std::string checkpoint_line(const AuditCheckpoint& checkpoint);

// Reads an export line by line, in bounded memory.
class AuditReader {
 public:
  explicit AuditReader(std::string public_pem) : public_pem_(std::move(public_pem)) {}

  // The first damage ends it. An export may begin anywhere: what came before its first entry isn't known.
  Status next(std::string_view line);
  // That the export has all that a checkpoint, kept outside, signs. Before the first entry.
  Status expect(std::string_view checkpoint_line);
  // After the last line.
  Status end() const;

  std::uint64_t entries() const { return entries_; }
  const AuditHead& head() const { return head_; }
  std::uint64_t checkpoints() const { return checkpoints_; }
  std::uint64_t signed_until() const { return signed_until_; }  // number of the last entry that one signs

 private:
  Status meet(const AuditCheckpoint& checkpoint);
  const std::string public_pem_;
  std::optional<ClusterId> cluster_;
  std::map<std::uint64_t, std::string> expected_;  // hash by number
  AuditHead head_;
  std::uint64_t entries_ = 0;
  std::uint64_t checkpoints_ = 0;
  std::uint64_t signed_until_ = 0;
};

}  // namespace bascule
