// Runner: the manager's pump in production. One thread steps, another commits; neither waits for a host, a
// BMC or a reader.
//
// Threads: post(), submit() and all reads may be called from any thread and never block for longer than a
// lock. TakeAction and the replies are called on the engine's thread and must not block.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cluster/audit.h"
#include "cluster/manager.h"
#include "cluster/snapshot.h"
#include "cluster/store.h"
#include "cluster/trail.h"

namespace bascule {

// Takes one action of the engine; its outcome comes back by post(). A Notify stands in the outbox by then and
// is only a hint; an Answer doesn't get here.
using TakeAction = std::function<void(const Action&)>;
// Called exactly once for each submitted request.
using Reply = std::function<void(const Answer&)>;
// Told of the steps of every turn, and of the State after them, before their decisions are committed, on the
// engine's thread: the journal.
using TellStepped = std::function<void(const std::vector<Stepped>&, const State&)>;
// Told of every snapshot before the actions behind it are taken, on the engine's thread.
using TellPublished = std::function<void(const Snapshot&)>;

struct RunnerOptions {
  std::size_t most_events = 20'000;   // waiting
  std::size_t most_requests = 1'000;  // unanswered
  Trail::Limits trail{};
  Duration request_time = 900s;    // a request that the engine never answers is answered `unknown_outcome`
  Duration publish_every = 200ms;  // between snapshots while nothing is committed
};

class Runner {
 public:
  // `store` and `clock` must outlive it.
  Runner(Manager manager, Store& store, const Clock& clock, RunnerOptions options = {});
  ~Runner();  // stops

  void start(TakeAction take, TellPublished published = {}, TellStepped stepped = {});
  // Takes no more input, waits for the commit in flight, answers what is open with `unavailable`. Joins.
  void stop();

  // From hosts and our own parts. False when too many events wait.
  [[nodiscard]] bool post(EventBody event);

  // From an operator. Refusals (too many, stopping, no request id) are replied at once, on the caller's
  // thread.
  void submit(EventBody request, Reply reply);

  // Never null.
  SnapshotPointer snapshot() const;

  // The audit's newest entries. It ends with stop().
  Trail& trail();

  // Why the engine stopped of itself; nothing while it runs. wait_stopped() returns it, or nothing after
  // `wait`.
  std::optional<Error> failure() const;
  std::optional<Error> wait_failure(Duration wait) const;

  const Leadership& leadership() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace bascule
