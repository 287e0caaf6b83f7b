// ManagerProcess: one life of the real cluster/manager, pumped by the timeline. Killing it loses all but the
// store.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "cluster/lease_plane.h"
#include "cluster/manager.h"
#include "tests/sim/journal_check.h"

namespace bascule::sim {

class World;

class ManagerProcess {
 public:
  ManagerProcess(World& world, Manager manager);

  void post(EventBody body);
  void open_session(const HostId& host, std::uint64_t session);
  void hear(const HostId& host, std::uint64_t session, const wire::FromHost& message);
  void session_closed(const HostId& host, std::uint64_t session, const std::string& why);
  wire::LeaseReply answer(const wire::LeaseRequest& request);

  const State& state() const { return manager_.state(); }
  const Manager& manager() const { return manager_; }
  bool leading() const { return !manager_.stopped(); }

  // SIGSTOP: what it would do or hear waits until the thaw, even what it has just sent to the store.
  void freeze() { frozen_ = true; }
  void thaw();

 private:
  struct Session {
    std::uint64_t number = 0;
    std::optional<Copy> from;  // known from Hello on
    Duration host_clock{};
    Instant sampled;
  };

  void later(Duration delay, std::function<void()> what);  // if it still lives then
  void pump();
  void check(const Effects& effects);
  void apply(Effects effects);
  void commit(const Transaction& transaction, Duration wait);
  void commit_now(const Transaction& transaction);
  void take(const Action& action);
  void send(const SendCommand& command);
  void watch_leases(const Copy& copy);
  void follow_revocations();

  World& world_;
  Manager manager_;
  State shadow_;  // stepped beside the manager, so that each step can be checked
  std::optional<JournalCheck> journal_;
  GrantTable leases_;
  std::map<HostId, Session> sessions_;
  std::map<Copy, bool> armed_;
  std::map<HostId, BootId> revoked_;  // as stored
  bool pumping_ = false;
  bool frozen_ = false;
  std::vector<std::function<void()>> held_back_;  // until the thaw
  std::uint64_t wakeup_ = 0;                      // only the latest planned wake-up counts
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

 public:
  ~ManagerProcess() { *alive_ = false; }
  ManagerProcess(const ManagerProcess&) = delete;
  ManagerProcess& operator=(const ManagerProcess&) = delete;
};

}  // namespace bascule::sim
