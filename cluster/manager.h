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
};

// What the pump does next, in this order.
struct Effects {
  std::vector<Stepped> stepped;       // for the journal
  std::vector<Action> actions;        // take them now: all that they rest on is stored
  std::vector<AuditEntry> audit;      // stored together with the decisions behind `actions`
  std::optional<Transaction> commit;  // commit it after `wait`, then call on_commit()
  bool reread =
      false;  // read keys::kMarker after `wait`, then call on_marker(): the answer of a commit got lost
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

  bool in_flight() const { return in_flight_.has_value(); }
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
  // The decisions of one turn, on their way into the store in transactions of at most kMostOperations.
  struct Flight {
    std::deque<Transaction> transactions;  // the first is in flight
    std::vector<Action> actions;
    std::vector<AuditEntry> audit;
    int attempts = 1;
    bool uncertain = false;  // an answer got lost: a conflict may be with ourselves
  };
  struct Batch;

  void step_one(const Event& event, Instant at, Batch& batch, Effects& effects);
  Effects launch(Batch batch, Effects effects);
  std::deque<Transaction> transactions_of(Batch& batch);
  Effects landed(Revision revision);
  Effects again();
  Effects stop(Error why);

  State state_;
  Policy policy_;
  Leadership leadership_;
  CommitMarker marker_;
  Revision revision_;         // of the last commit
  Revision marker_revision_;  // what the next commit expects of the marker
  bool recovering_;           // kRecoveringKey may stand in the store
  std::deque<Stepped> events_;
  Instant last_step_;
  std::optional<Instant> last_tick_;
  std::optional<Flight> in_flight_;
  std::optional<Error> stopped_;
};

}  // namespace bascule
