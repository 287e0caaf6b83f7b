// Manager: step → commit → act → outcomes come back as events. Without threads, clock or I/O: a pump does
// what the Effects say and reports how it went. cluster/runner is the pump of production, tests/sim the
// other.
//
//   accept(event)…  →  turn(now)  →  Effects{commit}  →  on_commit(outcome)  →  Effects{actions}  →  …
//
// One transaction is in flight at most; events that arrive meanwhile wait, and are then stepped together,
// each at the instant of its arrival. Waiting events are always consumed before a timer fires: so a slow disk
// is never taken for silent hosts.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cluster/audit.h"
#include "cluster/leadership.h"
#include "cluster/records.h"
#include "cluster/store.h"
#include "failover/action.h"
#include "failover/event.h"
#include "failover/policy.h"
#include "failover/step.h"

namespace bascule {

struct Stepped {
  Event event;
  Instant at;
  std::optional<AuditHead> audit = {};  // the chain's end after the step, when the step wrote to it
};

// What the pump does next, in this order.
struct Effects {
  std::vector<Stepped> stepped;  // for the journal
  // Take them now: all that they rest on is stored. A Notify stands in the outbox by then and is here as a
  // hint.
  std::vector<Action> actions;
  std::vector<AuditEntry> audit;      // stored together with the decisions behind `actions`
  std::optional<Transaction> commit;  // commit it after `wait`, then call on_commit()
  bool reread = false;  // the answer of a commit got lost: read keys::kMarker after `wait`, then
                        // call on_marker()
  Duration wait{};
};

class Manager {
 public:
  static constexpr std::size_t kMostWaiting = 20'000;  // events
  static constexpr std::size_t kMostSteps = 64;        // in one turn
  static constexpr int kMostAttempts = 60;             // to commit one transaction, a second apart at most

  // `state` comes from begin() over inauguration.records.
  Manager(State state, Policy policy, const Inauguration& inauguration);

  // False when kMostWaiting events wait: the caller tells its own caller, or closes the session that it is
  // from.
  [[nodiscard]] bool accept(Event event, Instant arrived);

  // Steps what waits, then a Tick when one is due. Does nothing while a commit is in flight. `wall` annotates
  // the Tick. Call again at once while waiting() is not 0 and nothing is in flight.
  Effects turn(Instant now, WallTime wall);

  Effects on_commit(const Result<Revision>& outcome);
  Effects on_marker(const Result<std::optional<StoredPair>>& marker);

  // When to call turn() if nothing arrives before; nothing while a commit is in flight or when stopped.
  std::optional<Instant> next_turn() const;

  bool in_flight() const { return flight_.has_value(); }
  std::size_t waiting() const { return events_.size(); }

  // Set when this manager must not lead any more: another took the term, or the store can't keep our
  // decisions. Nothing is stepped or taken from then on; the process ends and begins anew from what is
  // stored.
  const std::optional<Error>& stopped() const { return stopped_; }

  // As stepped: stored only while nothing is in flight.
  const State& state() const { return state_; }
  const Policy& policy() const { return policy_; }
  const Leadership& leadership() const { return leadership_; }
  Revision revision() const { return revision_; }
  const AuditHead& audit_head() const { return marker_.audit; }

 private:
  // One transaction, and how the chain stands once it is stored.
  struct Leg {
    Transaction transaction;
    CommitMarker marker;
  };
  // The decisions of one turn, on their way into the store: one leg nearly always, more when they touch more
  // than kMostOperations records. Their actions are taken after the last.
  struct Flight {
    std::deque<Leg> legs;  // the first is in flight
    Effects landing;
    int attempts = 1;
    bool uncertain = false;   // an answer got lost: the leg may be stored already
    bool conflicted = false;  // since then a commit met a conflict, perhaps with ourselves
  };
  struct Batch;

  void step_one(Event event, Instant at, Batch& batch, Effects& effects);
  Effects launch(Batch batch, Effects effects);
  void seal_touched(Batch& batch);
  std::deque<Leg> legs_of(Batch& batch) const;
  void send_leg(Effects& effects);
  Effects landed(Revision revision);
  Effects retry(bool reread, const Error& why);
  Effects stop(Error why);

  State state_;
  Policy policy_;
  Leadership leadership_;
  CommitMarker marker_;  // as stored
  Revision revision_;    // of the last commit: what the next expects of the marker
  AuditHead audit_;      // as of the last step, like the number of the last notice
  std::uint64_t last_notice_;
  bool recovering_;  // kRecoveringKey may stand in the store
  RequestLog requests_;
  std::deque<Stepped> events_;
  Instant last_step_;
  std::optional<Instant> last_tick_;
  std::optional<Flight> flight_;
  std::optional<Error> stopped_;
};

}  // namespace bascule
