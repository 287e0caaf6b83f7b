// Trail: the newest entries of the audit in memory, and who waits for the next.
//
// Thread-safe. A follower is called once, on the thread that adds, expires or ends, and must not block.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/time.h"
#include "cluster/audit.h"

namespace bascule {

class Trail {
 public:
  struct Limits {
    std::size_t entries = 10'000;
    std::size_t followers = 4'000;
  };
  struct Page {
    std::vector<AuditEntry> entries;
    std::uint64_t next = 0;  // of the last entry that was looked at: where to go on
  };

  // `last`: number of the newest entry that is stored already.
  Trail(std::uint64_t last, Limits limits) : limits_(limits), last_(last) {}

  void add(std::vector<AuditEntry> entries);  // in order, at least one

  // What came after number `after`, oldest first; of `tenant` alone, unless it is empty. Nothing when that is
  // older than what is kept: read_audit() has it.
  std::optional<Page> read(std::uint64_t after, std::size_t limit, const TenantId& tenant) const;

  // Calls when there is something to read, or at `until`; at once when it may be older than what is kept.
  // False, and never calls, when too many follow.
  [[nodiscard]] bool follow(std::uint64_t after, const TenantId& tenant, Instant until,
                            std::function<void()> call);
  void expire(Instant now);
  void end();  // calls all, and whoever comes later at once

 private:
  struct Follower {
    TenantId tenant;
    Instant until;
    std::function<void()> call;
  };
  bool reaches(std::uint64_t after) const;
  std::size_t index_after(std::uint64_t after) const;

  const Limits limits_;
  mutable std::mutex mutex_;
  std::deque<AuditEntry> entries_;  // the newest, without a gap, up to last_
  std::uint64_t last_;
  std::vector<Follower> followers_;
  bool ended_ = false;
};

}  // namespace bascule
