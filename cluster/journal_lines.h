// The lines of a journal's segment, JSON texts: a header, then one line for each step, in order.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/fields.h"
#include "base/time.h"
#include "cluster/audit.h"
#include "failover/event.h"
#include "failover/policy.h"
#include "failover/state.h"
#include "failover/state_fields.h"

namespace bascule {

inline constexpr int kJournalFormat = 4;

// All that the steps after it depend on. Cluster, term and manager stand in the State.
struct JournalHeader {
  static constexpr std::string_view kType = "segment";
  int format = kJournalFormat;
  std::string build;
  WallTime begun;
  Policy policy;
  AuditHead audit;  // the chain's end
  State state;
};
template <class V>
void fields(V& v, JournalHeader& x) {
  v("format", x.format);
  v("build", x.build);
  v("begun", x.begun);
  v("policy", x.policy);
  v("audit", x.audit);
  v("state", x.state);
}

struct JournalStep {
  static constexpr std::string_view kType = "step";
  Instant at;
  Event event;
  std::optional<AuditHead> audit;  // the chain's end after it, when something was decided
};
template <class V>
void fields(V& v, JournalStep& x) {
  v("at", x.at);
  v("wall", x.event.wall);
  v("event", x.event.body);
  v.optional("audit", x.audit);
}

using JournalLine = std::variant<JournalHeader, JournalStep>;

}  // namespace bascule
