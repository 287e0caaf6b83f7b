#include "cluster/manager.h"

#include <algorithm>

#include "base/ensure.h"
#include "base/log.h"
#include "cluster/keys.h"

namespace bascule {

namespace {

constexpr Duration kShortestTick = 10ms;  // a deadline that stays in the past must not spin the pump
constexpr std::size_t kLegBytes = 3 * 1024 * 1024;
// Every leg also puts the marker and may delete kRecoveringKey.
constexpr std::size_t kLegOperations = kMostOperations - 2;

Duration backoff(int attempts) { return std::min<Duration>(1s, 20ms * (1 << std::min(attempts, 6))); }

}  // namespace

// What the steps of one turn want stored.
struct Manager::Batch {
  struct Operation {
    std::string key;
    std::optional<std::string> value;     // nothing: delete
    std::optional<AuditHead> audit;       // this is an audit entry: the chain's head after it
    std::optional<std::uint64_t> notice;  // this is an outbox record
  };
  Touched touched;
  std::vector<Operation> operations;            // beside the touched records
  std::map<std::string, KeptRequest> requests;  // by key

  std::size_t size() const { return touched.size() + operations.size() + requests.size(); }
};

Manager::Manager(State state, Policy policy, const Inauguration& inauguration)
    : state_(std::move(state)),
      policy_(std::move(policy)),
      leadership_(inauguration.leadership),
      marker_(inauguration.marker),
      revision_(inauguration.revision),
      audit_(marker_.audit),
      last_notice_(marker_.last_notice),
      recovering_(inauguration.records.cluster.recovering),
      requests_(inauguration.requests),
      last_step_(state_.started) {}

bool Manager::accept(Event event, Instant arrived) {
  if (events_.size() >= kMostWaiting) return false;
  events_.push_back({std::move(event), arrived});
  return true;
}

std::optional<Instant> Manager::next_turn() const {
  if (flight_ || stopped_) return std::nullopt;
  if (!events_.empty() || !last_tick_) return last_step_;
  // The engine is stepped at least once per heartbeat: so it can tell a stall of its own from silent hosts.
  Instant due = *last_tick_ + policy_.heartbeat;
  if (const std::optional<Instant> deadline = next_deadline(state_)) due = std::min(due, *deadline);
  return std::max(due, *last_tick_ + kShortestTick);
}

Effects Manager::turn(Instant now, WallTime wall) {
  Effects effects;
  if (flight_ || stopped_) return effects;
  Batch batch;
  for (std::size_t steps = 0; !events_.empty() && steps < kMostSteps; ++steps) {
    if (batch.size() >= kLegOperations / 2) break;
    Stepped next = std::move(events_.front());
    events_.pop_front();
    step_one(std::move(next.event), next.at, batch, effects);
  }
  const std::optional<Instant> due = next_turn();
  if (events_.empty() && due && *due <= now) {
    step_one({Tick{}, wall}, now, batch, effects);
    last_tick_ = last_step_;
  }
  return launch(std::move(batch), std::move(effects));
}

void Manager::step_one(Event event, Instant at, Batch& batch, Effects& effects) {
  last_step_ = std::max(last_step_, at);  // events of several threads may arrive a little out of order
  Outcome outcome = step(std::move(state_), event, last_step_, policy_);
  state_ = std::move(outcome.next);
  batch.touched.merge(outcome.touched);
  requests_.note(event, outcome.actions, batch.requests);
  if (std::holds_alternative<Tick>(event.body))
    for (std::string& key : requests_.drop(event.wall)) {
      batch.requests.erase(key);
      batch.operations.push_back({std::move(key), std::nullopt, std::nullopt, std::nullopt});
    }
  for (const AuditRecord& record : outcome.audit) {
    SealedEntry sealed = seal(audit_, event.wall, record);
    batch.operations.push_back(
        {std::move(sealed.pair.key), std::move(sealed.pair.value), audit_, std::nullopt});
    effects.audit.push_back(std::move(sealed.entry));
  }
  for (Action& action : outcome.actions) {
    if (const auto* notify = std::get_if<Notify>(&action)) {
      const std::uint64_t number = ++last_notice_;
      OutboxRecord record;
      record.id = leadership_.epoch.id + "-" + std::to_string(number);
      record.created = event.wall;
      record.kind = notify->kind;
      record.incident = notify->incident;
      record.facts = notify->facts;
      batch.operations.push_back({keys::outbox(number), encode_text_of(record), std::nullopt, number});
    }
    effects.actions.push_back(std::move(action));
  }
  effects.stepped.push_back({std::move(event), last_step_});
  if (!outcome.audit.empty()) effects.stepped.back().audit = audit_;
}

Effects Manager::launch(Batch batch, Effects effects) {
  if (batch.size() == 0) return effects;  // nothing was decided: the actions rest on what is stored
  flight_ = Flight();
  flight_->landing.actions = std::move(effects.actions);
  flight_->landing.audit = std::move(effects.audit);
  effects.actions.clear();
  effects.audit.clear();
  seal_touched(batch);
  flight_->legs = legs_of(batch);
  send_leg(effects);
  return effects;
}

// The touched records as they stand after the last step of the turn, before audit and notices: in key order,
// so that a leg with the cluster, its hosts and plans never comes after the VMs that rest on them.
void Manager::seal_touched(Batch& batch) {
  std::vector<Batch::Operation> operations;
  for (const std::string& key : batch.touched)
    operations.push_back({key, encode_record(state_, key), std::nullopt, std::nullopt});
  std::move(batch.operations.begin(), batch.operations.end(), std::back_inserter(operations));
  for (const auto& [key, request] : batch.requests)
    operations.push_back({key, encode_text_of(request), std::nullopt, std::nullopt});
  batch.operations = std::move(operations);
  if (recovering_ && !state_.cluster.recovering && batch.touched.contains(std::string(keys::kCluster))) {
    recovering_ = false;
    batch.operations.push_back({std::string(kRecoveringKey), std::nullopt, std::nullopt, std::nullopt});
  }
}

std::deque<Manager::Leg> Manager::legs_of(Batch& batch) const {
  std::deque<Leg> legs;
  std::size_t bytes = 0;
  std::size_t operations = 0;
  for (Batch::Operation& operation : batch.operations) {
    const std::size_t size = operation.key.size() + (operation.value ? operation.value->size() : 0);
    if (legs.empty() || bytes + size > kLegBytes || operations == kLegOperations) {
      legs.push_back({{}, legs.empty() ? marker_ : legs.back().marker});
      ++legs.back().marker.number;
      bytes = operations = 0;
    }
    bytes += size;
    ++operations;
    Leg& leg = legs.back();
    // The chain's end moves with the entries of this leg, not with those that are still to come.
    if (operation.audit) leg.marker.audit = *operation.audit;
    if (operation.notice) leg.marker.last_notice = *operation.notice;
    if (operation.value)
      leg.transaction.puts.push_back({std::move(operation.key), std::move(*operation.value)});
    else
      leg.transaction.deletes.push_back(std::move(operation.key));
  }
  return legs;
}

void Manager::send_leg(Effects& effects) {
  Leg& leg = flight_->legs.front();
  leg.transaction.expect = {{std::string(keys::kMarker), revision_}};
  leg.transaction.expect_term = leadership_.term;
  leg.transaction.puts.push_back({std::string(keys::kMarker), encode_text_of(leg.marker)});
  effects.commit = leg.transaction;
}

Effects Manager::on_commit(const Result<Revision>& outcome) {
  if (stopped_) return {};
  ensure(flight_.has_value(), "a commit is answered once");
  if (outcome) return landed(*outcome);
  switch (outcome.error().code) {
    case ErrorCode::unavailable:
    case ErrorCode::timeout:
      return retry(false, outcome.error());
    case ErrorCode::unknown_outcome:
      flight_->uncertain = true;
      return retry(true, outcome.error());
    case ErrorCode::conflict:
      flight_->conflicted = flight_->uncertain;
      return flight_->uncertain ? retry(true, outcome.error()) : stop(outcome.error());
    default:
      return stop(outcome.error());
  }
}

Effects Manager::on_marker(const Result<std::optional<StoredPair>>& marker) {
  if (stopped_) return {};
  ensure(flight_.has_value(), "the marker is read while a commit is in doubt");
  if (!marker) return retry(true, marker.error());
  const Error lost{ErrorCode::conflict, "another manager has written to the database"};
  if (!*marker) return stop(lost);
  const Result<CommitMarker> stored = decode_marker((*marker)->value);
  if (!stored) return stop(stored.error());
  const CommitMarker& ours = flight_->legs.front().marker;
  if (stored->manager == ours.manager && stored->number == ours.number) return landed((*marker)->revision);
  // Not stored. If it comes late after all, the repetition meets a conflict and we read again.
  const bool untouched = (*marker)->revision == revision_;
  if (untouched && !flight_->conflicted)
    return retry(false, {ErrorCode::unknown_outcome, "the answer of a commit got lost"});
  return stop(lost);
}

Effects Manager::landed(Revision revision) {
  Effects effects;
  revision_ = revision;
  marker_ = flight_->legs.front().marker;
  flight_->legs.pop_front();
  flight_->attempts = 1;
  flight_->uncertain = flight_->conflicted = false;
  if (!flight_->legs.empty()) {
    send_leg(effects);
    return effects;
  }
  effects = std::move(flight_->landing);
  flight_.reset();
  return effects;
}

Effects Manager::retry(bool reread, const Error& why) {
  if (flight_->attempts >= kMostAttempts) return stop(why.within("giving up to store a decision"));
  Effects effects;
  effects.wait = backoff(flight_->attempts++);
  effects.reread = reread;
  if (!reread) effects.commit = flight_->legs.front().transaction;
  return effects;
}

Effects Manager::stop(Error why) {
  log(LogLevel::error, "manager", "stopped", {{"code", to_string(why.code)}, {"why", why.message}});
  stopped_ = std::move(why);
  flight_.reset();
  events_.clear();
  return {};
}

}  // namespace bascule
