#include "base/audit_chain.h"

#include "base/ensure.h"
#include "base/json.h"
#include "base/sha256.h"

namespace bascule {
namespace {

struct Link {
  std::uint64_t number = 0;
  std::string previous;
};
template <class V>
void fields(V& v, Link& x) {
  v("number", x.number);
  v("previous", x.previous);
}

struct CheckpointLine {
  AuditCheckpoint checkpoint;
};
template <class V>
void fields(V& v, CheckpointLine& x) {
  v("checkpoint", x.checkpoint);
}

constexpr std::string_view kCheckpoint = "{\"checkpoint\":";

std::string signed_text(const AuditCheckpoint& checkpoint) {
  return "bascule audit checkpoint\n" + checkpoint.cluster.value + "\n" +
         std::to_string(checkpoint.head.number) + "\n" + checkpoint.head.hash + "\n" +
         std::to_string(checkpoint.at.unix_ms) + "\n";
}

Result<AuditCheckpoint> decode_checkpoint(std::string_view line) {
  Result<CheckpointLine> decoded = json::decode_text<CheckpointLine>(line, json::Unknown::refuse);
  if (!decoded) return failure(decoded.error().within("a checkpoint"));
  return std::move(decoded->checkpoint);
}

}  // namespace

Error audit_damage(std::uint64_t number, std::string_view what) {
  return {ErrorCode::corrupt,
          "audit entry " + std::to_string(number) + " " + std::string(what) +
              ": the audit was tampered with or the database is damaged; compare with a backup"};
}

Status follow_audit(AuditHead& head, std::string_view text) {
  const std::uint64_t number = head.number + 1;
  const Result<Link> link = json::decode_text<Link>(text, json::Unknown::tolerate);
  if (!link) return failure(audit_damage(number, "can't be read (" + link.error().message + ")"));
  if (link->number > number) return failure(audit_damage(number, "is missing or stands in the wrong place"));
  if (link->number < number) return failure(audit_damage(link->number, "stands twice or in the wrong place"));
  if (link->previous != head.hash)
    return failure(number == 1 ? audit_damage(1, "doesn't begin the chain")
                               : audit_damage(number - 1, "was changed"));
  head = {number, sha256_hex(text)};
  return {};
}

AuditCheckpoint sign_checkpoint(const SigningKey& key, const ClusterId& cluster, const AuditHead& head,
                                WallTime at) {
  AuditCheckpoint checkpoint{cluster, head, at, ""};
  const Result<std::string> signature = key.sign(signed_text(checkpoint));
  ensure(signature.has_value(), "a key of a file signs");
  checkpoint.signature = *signature;
  return checkpoint;
}

Status check_checkpoint(const AuditCheckpoint& checkpoint, const std::string& public_pem) {
  const Status good = check_signature(signed_text(checkpoint), checkpoint.signature, public_pem);
  if (good) return {};
  return failure(
      good.error().within("the checkpoint of audit entry " + std::to_string(checkpoint.head.number)));
}

std::string checkpoint_line(const AuditCheckpoint& checkpoint) {
  return json::encode_text(CheckpointLine{checkpoint});
}

// ---- Exports ----

Status AuditReader::expect(std::string_view line) {
  const Result<AuditCheckpoint> checkpoint = decode_checkpoint(line);
  if (!checkpoint) return failure(checkpoint.error());
  if (const Status good = check_checkpoint(*checkpoint, public_pem_); !good) return good;
  expected_[checkpoint->head.number] = checkpoint->head.hash;
  return {};
}

Status AuditReader::meet(const AuditCheckpoint& checkpoint) {
  if (const Status good = check_checkpoint(checkpoint, public_pem_); !good) return good;
  if (cluster_ && *cluster_ != checkpoint.cluster)
    return failure(ErrorCode::corrupt, "a checkpoint is of another cluster: " + checkpoint.cluster.value);
  cluster_ = checkpoint.cluster;
  if (checkpoint.head.number > head_.number)
    return failure(audit_damage(head_.number + 1, "is missing, and a checkpoint signs it"));
  if (checkpoint.head != head_)
    return failure(audit_damage(head_.number, "is not what its checkpoint signs"));
  ++checkpoints_;
  signed_until_ = head_.number;
  return {};
}

Status AuditReader::next(std::string_view line) {
  if (line.starts_with(kCheckpoint)) {
    const Result<AuditCheckpoint> checkpoint = decode_checkpoint(line);
    return checkpoint ? meet(*checkpoint) : Status(failure(checkpoint.error()));
  }
  if (entries_ == 0) {
    const Result<Link> first = json::decode_text<Link>(line, json::Unknown::tolerate);
    if (first && first->number > 1) head_ = {first->number - 1, first->previous};
  }
  if (const Status follows = follow_audit(head_, line); !follows) return follows;
  ++entries_;
  const auto expected = expected_.find(head_.number);
  if (expected == expected_.end()) return {};
  if (expected->second != head_.hash)
    return failure(audit_damage(head_.number, "is not what a checkpoint that was kept outside signs"));
  expected_.erase(expected);
  return {};
}

Status AuditReader::end() const {
  for (const auto& [number, hash] : expected_)
    if (number > head_.number)
      return failure(
          audit_damage(head_.number + 1, "is missing, and a checkpoint that was kept outside signs it"));
  return {};
}

}  // namespace bascule
