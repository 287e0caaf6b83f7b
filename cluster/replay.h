// Replay: the decisions of a journal's segment computed again, without the recorded ones, and the chain of
// the audit that comes of them compared with the recorded one after every step. Reads a file; touches nothing
// else.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cluster/audit.h"
#include "failover/state.h"

namespace bascule {

// The first step whose decisions came out otherwise.
struct ReplayDifference {
  std::uint64_t step = 0;  // from 1
  WallTime at;
  std::string event;  // its type
  AuditHead recorded;
  AuditHead computed;
};

struct Replay {
  std::string build;  // that recorded it; another one may decide otherwise
  WallTime begun;
  std::uint64_t steps = 0;
  std::uint64_t decisions = 0;
  bool torn = false;                           // the last line was cut off, as by a crash: it is left out
  std::optional<ReplayDifference> difference;  // nothing is computed after it
  AuditHead audit;                             // the chain's end
  State state;                                 // after the last step
};

// Tells each decision as it is computed, also those of the step that differs. Errors: `not_found`,
// `corrupt` with the line that can't be read, `invalid` for another format.
Result<Replay> replay_segment(const std::string& path, const std::function<void(const AuditEntry&)>& tell);

}  // namespace bascule
