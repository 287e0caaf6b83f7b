#include "cluster/notary.h"

#include <filesystem>
#include <utility>

#include "base/durable_file.h"
#include "base/json.h"
#include "base/log.h"
#include "cluster/audit.h"
#include "cluster/keys.h"

namespace bascule {
namespace {

constexpr Duration kLookEvery = 5s;
constexpr std::size_t kBatch = 1000;

Result<SigningKey> key_in(const std::string& folder) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) return failure(ErrorCode::unavailable, "making " + folder + ": " + problem.message());
  const std::string path = folder + "/key.pem";
  Result<SigningKey> key = std::filesystem::exists(path) ? SigningKey::load(path) : SigningKey::make(path);
  if (!key) return key;
  if (const Status kept = write_durably(folder + "/key.pub.pem", key->public_pem()); !kept)
    return failure(kept.error());
  return key;
}

}  // namespace

Result<std::unique_ptr<Notary>> Notary::open(NotaryOptions options, Store& store, const Clock& clock) {
  Result<SigningKey> key = key_in(options.folder);
  if (!key) return failure(key.error().within("the key of the audit's checkpoints"));
  return std::unique_ptr<Notary>(new Notary(std::move(options), std::move(*key), store, clock));
}

Notary::Notary(NotaryOptions options, SigningKey key, Store& store, const Clock& clock)
    : options_(std::move(options)),
      key_(std::move(key)),
      public_pem_(key_.public_pem()),
      store_(store),
      clock_(clock),
      signed_at_(clock.now()) {}

Notary::~Notary() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    ends_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Notary::start() {
  thread_ = std::thread([this] { run(); });
}

void Notary::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    lock.unlock();
    const Status looked = look();
    const std::string trouble = looked ? "" : looked.error().message;
    if (trouble != std::exchange(trouble_, trouble) && !looked)
      log(LogLevel::error, "audit", "not_signed", {{"why", trouble}});
    lock.lock();
    ends_.wait_for(lock, kLookEvery, [this] { return ending_; });
  }
}

Status Notary::look() {
  if (!resumed_) {
    if (const Status resumed = resume(); !resumed) return resumed;
    resumed_ = true;
  }
  if (const Status followed = follow(); !followed) return followed;
  const std::uint64_t fresh = head_.number - signed_;
  const bool due = fresh >= options_.entries || (fresh > 0 && clock_.now() - signed_at_ >= options_.every);
  return due ? sign() : Status();
}

// A checkpoint that isn't ours, or that the chain has left, stops it: a person must look.
Status Notary::resume() {
  const Result<std::vector<AuditCheckpoint>> all = read_checkpoints(store_, 0, UINT64_MAX);
  if (!all) return failure(all.error());
  if (all->empty()) return {};
  const AuditCheckpoint& last = all->back();
  if (const Status ours = check_checkpoint(last, public_pem_); !ours) return ours;
  head_ = last.head;
  signed_ = last.head.number;
  return {};
}

Status Notary::follow() {
  for (;;) {
    const Result<std::vector<std::string>> texts = read_audit_texts(store_, head_.number, kBatch);
    if (!texts) return failure(texts.error());
    for (const std::string& text : *texts)
      if (const Status follows = follow_audit(head_, text); !follows) return follows;
    if (texts->size() < kBatch) return {};
  }
}

Status Notary::sign() {
  const AuditCheckpoint checkpoint = sign_checkpoint(key_, options_.cluster, head_, clock_.wall());
  const std::string line = checkpoint_line(checkpoint);
  Transaction transaction;
  transaction.expect_term = options_.term;
  transaction.puts.push_back({keys::checkpoint(head_.number), json::encode_text(checkpoint)});
  if (const auto stored = store_.commit(transaction); !stored) return failure(stored.error());
  signed_ = head_.number;
  signed_at_ = clock_.now();
  log(LogLevel::info, "audit", "checkpoint", {{"line", line}});
  return append_durably(options_.folder + "/checkpoints.jsonl", line + "\n");
}

Result<std::vector<AuditCheckpoint>> read_checkpoints(Store& store, std::uint64_t after,
                                                      std::uint64_t until) {
  const Result<StoreSnapshot> snapshot = store.read(keys::kCheckpoints);
  if (!snapshot) return failure(snapshot.error());
  std::vector<AuditCheckpoint> all;
  for (const StoredPair& pair : snapshot->pairs) {
    Result<AuditCheckpoint> checkpoint =
        json::decode_text<AuditCheckpoint>(pair.value, json::Unknown::tolerate);
    if (!checkpoint) return failure(checkpoint.error().within(pair.key));
    if (checkpoint->head.number > after && checkpoint->head.number <= until)
      all.push_back(std::move(*checkpoint));
  }
  return all;
}

Result<AuditExport> export_audit(Store& store, std::uint64_t after, std::size_t limit) {
  Result<std::vector<std::string>> texts = read_audit_texts(store, after, limit);
  if (!texts) return failure(texts.error());
  AuditExport page;
  page.next = after + texts->size();
  const Result<std::vector<AuditCheckpoint>> checkpoints = read_checkpoints(store, after, page.next);
  if (!checkpoints) return failure(checkpoints.error());
  auto checkpoint = checkpoints->begin();
  for (std::string& text : *texts) {
    page.lines.push_back(std::move(text));
    for (++after; checkpoint != checkpoints->end() && checkpoint->head.number == after; ++checkpoint)
      page.lines.push_back(checkpoint_line(*checkpoint));
  }
  return page;
}

}  // namespace bascule
