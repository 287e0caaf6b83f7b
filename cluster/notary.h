// Notary: signs how far the audit has come, and leaves that where it outlives the database.
//
// It follows the chain entry by entry from its last checkpoint, so a chain that was changed since is never
// signed. Each checkpoint goes into the store, to the end of <folder>/checkpoints.jsonl (copy that file away,
// or let a log collector have it: the same line is logged), and stands in every export. The key is
// <folder>/key.pem, made when there is none; its public half is beside it.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/audit_chain.h"
#include "base/result.h"
#include "base/signing.h"
#include "base/time.h"
#include "cluster/store.h"

namespace bascule {

struct NotaryOptions {
  ClusterId cluster;
  Term term;  // its commits compare it as all writes do
  std::string folder;
  Duration every = 3600s;        // when there are new entries
  std::uint64_t entries = 1000;  // or as soon as there are so many
};

class Notary {
 public:
  // Makes the folder and the key where they are missing. `store` and `clock` must outlive it.
  static Result<std::unique_ptr<Notary>> open(NotaryOptions options, Store& store, const Clock& clock);
  ~Notary();
  Notary(const Notary&) = delete;
  Notary& operator=(const Notary&) = delete;

  const std::string& public_pem() const { return public_pem_; }
  // From now on a thread of its own looks every few seconds.
  void start();
  // One look: follows what is new, and signs when it is time. `corrupt` names the first damaged entry.
  Status look();

 private:
  Notary(NotaryOptions options, SigningKey key, Store& store, const Clock& clock);
  Status resume();
  Status follow();
  Status sign();
  void run();

  const NotaryOptions options_;
  const SigningKey key_;
  const std::string public_pem_;
  Store& store_;
  const Clock& clock_;
  bool resumed_ = false;
  AuditHead head_;            // verified
  std::uint64_t signed_ = 0;  // number of the last entry that was signed
  Instant signed_at_;
  std::string trouble_;  // logged last
  std::mutex mutex_;
  std::condition_variable ends_;
  bool ending_ = false;
  std::thread thread_;
};

// Those of the store with a number above `after` and up to `until`, in order.
Result<std::vector<AuditCheckpoint>> read_checkpoints(Store& store, std::uint64_t after, std::uint64_t until);

// Lines of an export (base/audit_chain.h) that begins after an entry, with at most `limit` entries.
struct AuditExport {
  std::vector<std::string> lines;
  std::uint64_t next = 0;  // number of the last entry
};
Result<AuditExport> export_audit(Store& store, std::uint64_t after, std::size_t limit);

}  // namespace bascule
