// Which entries of the audit are asked for, and where among all they begin. Blocks: on a worker's thread
// only.
#pragma once

#include <optional>
#include <string>

#include "api/api.h"

namespace bascule::api {

struct AuditQuery {
  std::uint64_t after = 0;
  std::size_t limit = 100;
  std::string who, what, on, request;  // exact; empty: any
  std::optional<WallTime> since, until;

  bool matches(const AuditEntry& entry) const;
  bool is_over(const AuditEntry& entry) const { return until && entry.at > *until; }
};

inline constexpr std::size_t kMostAuditEntries = 1000;  // in one answer

// From the call's query; nothing, and the call is refused, when it can't be understood. A machine's name in
// `on` is taken for its id where the caller may see it.
std::optional<AuditQuery> audit_query_of(const Call& call, const State& state);

// The number of the last entry before `since`, of those up to `last`: the clock goes forward, and so do they.
Result<std::uint64_t> last_entry_before(const Services& services, WallTime since, std::uint64_t last);

}  // namespace bascule::api
