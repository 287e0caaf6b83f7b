#include "cluster/runner.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/ensure.h"
#include "base/log.h"
#include "cluster/keys.h"

namespace bascule {

namespace {

constexpr Duration kLongestWait = 1s;  // of the engine's thread, to look after requests and followers

template <class Body>
const Asked* asked_of(const Body& body) {
  if constexpr (requires { body.asked; })
    return &body.asked;
  else
    return nullptr;
}
const Asked* asked_of(const EventBody& body) {
  return std::visit([](const auto& alternative) { return asked_of(alternative); }, body);
}

Answer refusal(const RequestId& request, ErrorCode code, std::string message) {
  return {request, Error{code, std::move(message)}, ""};
}

// What the committer has to do next.
struct StoreJob {
  std::optional<Transaction> commit;  // else: read the marker
  Duration wait{};
};
using StoreOutcome = std::variant<Result<Revision>, Result<std::optional<StoredPair>>>;

Result<std::optional<StoredPair>> read_marker(Store& store) {
  Result<StoreSnapshot> snapshot = store.read(keys::kMarker);
  if (!snapshot) return failure(snapshot.error());
  for (StoredPair& pair : snapshot->pairs)
    if (pair.key == keys::kMarker) return std::optional(std::move(pair));
  return std::optional<StoredPair>();
}

}  // namespace

struct Runner::Inside {
  Inside(Manager m, Store& s, const Clock& c, RunnerOptions o)
      : manager(std::move(m)), store(s), clock(c), options(o), trail(manager.audit_head().number, o.trail) {
    publish();
  }

  // ---- The engine's thread ----
  Manager manager;
  Store& store;
  const Clock& clock;
  const RunnerOptions options;
  TakeAction take;
  TellPublished tell_published;
  TellStepped tell_stepped;
  Instant published;
  bool stepped_since = false;

  // ---- Between threads ----
  struct Arrival {
    Event event;
    Instant at;
  };
  struct Waiting {
    Reply reply;
    Instant until;
  };
  Trail trail;
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::deque<Arrival> arrivals;
  std::optional<StoreJob> job;
  std::optional<StoreOutcome> outcome;
  std::map<RequestId, Waiting> requests;
  SnapshotPointer snapshot;
  std::optional<Error> failed;
  bool stopping = false;
  bool engine_done = false;

  std::thread engine;
  std::thread committer;

  void run();
  bool wait_for_work();
  void apply(Effects effects);
  void release(const Action& action);
  void publish();
  void look_after();
  void finish();
  void run_committer();
};

// ---- The engine's thread ----

void Runner::Inside::run() {
  publish();
  while (wait_for_work()) {
    std::optional<StoreOutcome> answered;
    bool last_round = false;
    {
      const std::lock_guard lock(mutex);
      for (; !arrivals.empty() && manager.waiting() < Manager::kMostWaiting; arrivals.pop_front()) {
        Arrival& arrival = arrivals.front();
        ensure(manager.accept(std::move(arrival.event), arrival.at), "the manager has room");
      }
      answered.swap(outcome);
      last_round = stopping;
    }
    if (answered) {
      if (const auto* committed = std::get_if<Result<Revision>>(&*answered))
        apply(manager.on_commit(*committed));
      else
        apply(manager.on_marker(std::get<Result<std::optional<StoredPair>>>(*answered)));
    }
    if (!last_round) apply(manager.turn(clock.now(), clock.wall()));
    if (stepped_since && !manager.in_flight() && clock.now() - published >= options.publish_every) publish();
    look_after();
    if (manager.stopped()) break;
  }
  finish();
}

// False when it is time to stop: asked to, and no commit is in flight.
bool Runner::Inside::wait_for_work() {
  Instant until = clock.now() + kLongestWait;
  if (const std::optional<Instant> due = manager.next_turn()) until = std::min(until, *due);
  std::unique_lock lock(mutex);
  const auto has_work = [this] {
    return outcome || (!manager.in_flight() && (stopping || !arrivals.empty()));
  };
  changed.wait_for(lock, until - clock.now(), has_work);
  return !stopping || manager.in_flight();
}

void Runner::Inside::apply(Effects effects) {
  if (!effects.stepped.empty()) {
    stepped_since = true;
    if (tell_stepped) tell_stepped(effects.stepped, manager.state());
  }
  if (effects.commit || effects.reread) {
    const std::lock_guard lock(mutex);
    ensure(!job, "one transaction at a time");
    job = StoreJob{std::move(effects.commit), effects.wait};
    changed.notify_all();
  }
  // Readers see a decision before anyone acts on it: who gets an answer finds what it speaks of.
  if (!manager.in_flight() && (!effects.audit.empty() || !effects.actions.empty())) publish();
  if (!effects.audit.empty()) trail.add(std::move(effects.audit));
  for (const Action& action : effects.actions) release(action);
}

void Runner::Inside::release(const Action& action) {
  const auto* answer = std::get_if<Answer>(&action);
  if (!answer) return take(action);
  Reply reply;
  {
    const std::lock_guard lock(mutex);
    const auto found = requests.find(answer->request);
    if (found == requests.end()) return;  // asked of a former manager, or given up
    reply = std::move(found->second.reply);
    requests.erase(found);
  }
  reply(*answer);
}

void Runner::Inside::publish() {
  auto fresh = std::make_shared<Snapshot>();
  fresh->state = manager.state();
  fresh->policy = manager.policy();
  fresh->taken = clock.now();
  fresh->wall = clock.wall();
  fresh->revision = manager.revision();
  fresh->audit_number = manager.audit_head().number;
  published = fresh->taken;
  stepped_since = false;
  if (tell_published) tell_published(*fresh);
  const std::lock_guard lock(mutex);
  snapshot = std::move(fresh);
}

// Followers and requests whose time has passed.
void Runner::Inside::look_after() {
  const Instant now = clock.now();
  trail.expire(now);
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex);
    std::erase_if(requests, [&](auto& entry) {
      if (entry.second.until > now) return false;
      calls.push_back([reply = std::move(entry.second.reply), request = entry.first] {
        reply(refusal(
            request, ErrorCode::unknown_outcome,
            "the request was taken but got no answer; look at the present state before asking again"));
      });
      return true;
    });
  }
  for (const auto& call : calls) call();
}

void Runner::Inside::finish() {
  std::map<RequestId, Waiting> open;
  {
    const std::lock_guard lock(mutex);
    engine_done = true;
    failed = manager.stopped();
    open.swap(requests);
    changed.notify_all();
  }
  for (auto& [request, waiting] : open)
    waiting.reply(refusal(request, ErrorCode::unknown_outcome,
                          "the manager stops before the request is done; look at the present state first"));
  trail.end();
}

// ---- The committer's thread: it alone waits for the disk ----

void Runner::Inside::run_committer() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return job || engine_done; });
    if (engine_done) return;
    const StoreJob next = std::move(*job);
    job.reset();
    changed.wait_for(lock, next.wait, [this] { return engine_done; });
    if (engine_done) return;
    lock.unlock();
    StoreOutcome result =
        next.commit ? StoreOutcome(store.commit(*next.commit)) : StoreOutcome(read_marker(store));
    lock.lock();
    outcome = std::move(result);
    changed.notify_all();
  }
}

// ---- What others call ----

Runner::Runner(Manager manager, Store& store, const Clock& clock, RunnerOptions options)
    : inside_(std::make_unique<Inside>(std::move(manager), store, clock, options)) {}

Runner::~Runner() { stop(); }

void Runner::start(TakeAction take, TellPublished published, TellStepped stepped) {
  ensure(!inside_->engine.joinable(), "a runner is started once");
  inside_->take = std::move(take);
  inside_->tell_published = std::move(published);
  inside_->tell_stepped = std::move(stepped);
  inside_->committer = std::thread([this] { inside_->run_committer(); });
  inside_->engine = std::thread([this] { inside_->run(); });
}

void Runner::stop() {
  {
    const std::lock_guard lock(inside_->mutex);
    inside_->stopping = true;
    inside_->changed.notify_all();
  }
  if (inside_->engine.joinable()) inside_->engine.join();
  if (inside_->committer.joinable()) inside_->committer.join();
}

bool Runner::post(EventBody body) {
  Event event{std::move(body), inside_->clock.wall()};
  const std::lock_guard lock(inside_->mutex);
  if (inside_->stopping || inside_->engine_done) return false;
  if (inside_->arrivals.size() >= inside_->options.most_events) return false;
  inside_->arrivals.push_back({std::move(event), inside_->clock.now()});
  inside_->changed.notify_all();
  return true;
}

void Runner::submit(EventBody request, Reply reply) {
  const Asked* asked = asked_of(request);
  ensure(asked != nullptr, "only operators' events are submitted");
  const RequestId id = asked->request;
  std::optional<Answer> refused;
  {
    const std::lock_guard lock(inside_->mutex);
    if (id.empty())
      refused = refusal(id, ErrorCode::invalid, "the request has no id");
    else if (inside_->stopping || inside_->engine_done)
      refused = refusal(id, ErrorCode::unavailable, "the manager is stopping; ask again in a few seconds");
    else if (inside_->requests.contains(id))
      refused = refusal(id, ErrorCode::conflict, "a request with this id is under way already");
    else if (inside_->requests.size() >= inside_->options.most_requests)
      refused = refusal(id, ErrorCode::exhausted, "too many requests are under way; ask again later");
    else
      inside_->requests.emplace(id,
                                Inside::Waiting{reply, inside_->clock.now() + inside_->options.request_time});
  }
  if (refused) return reply(*refused);
  if (post(std::move(request))) return;
  {
    const std::lock_guard lock(inside_->mutex);
    if (inside_->requests.erase(id) == 0) return;  // answered meanwhile, as the manager stops
  }
  reply(refusal(id, ErrorCode::exhausted, "too many events wait; ask again later"));
}

SnapshotPointer Runner::snapshot() const {
  const std::lock_guard lock(inside_->mutex);
  return inside_->snapshot;
}

Trail& Runner::trail() { return inside_->trail; }

std::optional<Error> Runner::failure() const {
  const std::lock_guard lock(inside_->mutex);
  return inside_->failed;
}

std::optional<Error> Runner::wait_failure(Duration wait) const {
  std::unique_lock lock(inside_->mutex);
  inside_->changed.wait_for(lock, wait, [this] { return inside_->failed.has_value(); });
  return inside_->failed;
}

const Leadership& Runner::leadership() const { return inside_->manager.leadership(); }

}  // namespace bascule
