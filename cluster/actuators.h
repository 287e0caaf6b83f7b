// Actuators: where the engine's actions go, and how their outcomes come back as events.
//
// Threads: take() and follow_revocations() on the engine's thread, fence_done() on the fence agents' threads.
// Nothing here blocks.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/time.h"
#include "cluster/fence_agents.h"
#include "cluster/host_sessions.h"
#include "cluster/lease_plane.h"
#include "cluster/outbox.h"
#include "cluster/snapshot.h"
#include "failover/action.h"
#include "failover/event.h"

namespace bascule {

class Actuators {
 public:
  struct Parts {
    HostSessions* sessions = nullptr;
    FenceAgents* fences = nullptr;
    GrantTable* leases = nullptr;
    Outbox* outbox = nullptr;
  };
  using Post = std::function<bool(EventBody)>;

  // `clock` must outlive it. The parts are connected before the first action is taken.
  Actuators(const Clock& clock, Post post) : clock_(clock), post_(std::move(post)) {}
  void connect(Parts parts) { parts_ = parts; }

  void take(const Action& action);
  void fence_done(const FenceOutcome& outcome);

  // Called with what was just committed: notes the BMCs bound to hosts, and gives leases again to boots whose
  // revocation was lifted.
  void follow(const Snapshot& snapshot);

 private:
  // A conversation with a BMC takes one request or two: its identity is read first where none is bound, and
  // for a check.
  enum class Purpose { off, on, check };

  void start(Purpose purpose, const ActionId& action, const HostId& host);
  void request(const FenceRequest& request);
  void identity_read(const FenceRequest& request, const Result<std::string>& guid);
  void finish_check(const HostId& host, Status status, const std::string& guid, bool power_on);
  void tell(EventBody body);

  const Clock& clock_;
  const Post post_;
  Parts parts_;
  std::mutex mutex_;  // of the two below
  std::map<ActionId, Purpose> first_reads_;
  std::map<HostId, std::string> guids_;  // read by the check under way
  std::map<HostId, std::string> bound_;  // engine's thread
  std::map<HostId, BootId> revoked_;     // engine's thread
};

}  // namespace bascule
