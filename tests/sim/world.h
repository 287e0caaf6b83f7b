// World: all that is around the real engine and manager: sites, links, hosts, BMCs, the store, and the truth.
//
// The truth is checked whenever it changes: no two running copies of a VM, no start without its place in the
// stored may_run, nothing moved home without an approved plan, nothing started on a quarantined host. A
// breach is noted with its instant; a run with a breach has failed.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/audit.h"
#include "cluster/store_memory.h"
#include "failover/policy.h"
#include "failover/step.h"
#include "tests/sim/host.h"
#include "tests/sim/manager_process.h"
#include "tests/sim/timeline.h"

namespace bascule::sim {

struct Options {
  std::uint64_t seed = 1;
  Duration length = 1h;
  int hosts_per_site = 2;
  int vms = 6;
  int faults = 8;       // at least this many, over the length
  bool noise = false;   // only what must raise no alarm: stalls, loss, load
  bool fast = false;    // the documented fast profile instead of the default timings
  bool replay = false;  // every step once more from what a journal would hold
  bool trace = false;
};

enum class BmcMode { ok, dead, slow, stuck };
struct Bmc {
  BmcMode mode = BmcMode::ok;
  std::string guid;
  HostId controls;  // swapped cables: another host's power
};

// One direction of a connection: in order, as TCP is. What can't be delivered blocks what comes after it.
template <class Message>
struct Stream {
  struct Sent {
    std::uint64_t session;
    BootId boot;  // of the host at its end: what its kernel still holds dies with it
    Message message;
  };
  std::deque<Sent> waiting;
  bool moving = false;
  Duration retransmit_after{};  // doubles with each loss, as TCP's timer does: a stall of 2 s may last 3
  std::optional<Instant> stuck_since;
};

class World {
 public:
  explicit World(Options options);
  ~World();

  // Runs the whole length, then a calm in which everything is repaired and has time to settle. Gives the
  // breaches.
  std::vector<std::string> run();

  Instant now() const { return timeline_.now(); }
  void after(Duration delay, std::function<void()> what) { timeline_.after(delay, std::move(what)); }
  SeededRandom& random() { return random_; }
  const Policy& policy() const { return policy_; }
  Timeline& timeline() { return timeline_; }
  MemoryStore& store() { return store_; }
  ClusterId cluster() const { return ClusterId("sim"); }
  const std::vector<HostId>& host_ids() const { return host_ids_; }
  Host& host(const HostId& id) { return *hosts_.at(id); }
  Bmc& bmc(const HostId& id) { return bmcs_.at(id); }
  ManagerProcess* manager() { return manager_.get(); }
  const Options& options() const { return options_; }
  void trace(const std::string& words);
  void breach(const std::string& words);
  // Of a message, until it is read; and how late a process gets to its work: on full processors, often.
  Duration latency() { return random_.between(1ms, 5ms) + lateness(); }
  Duration lateness();
  bool lost() { return random_.chance(options_.noise ? 5 : 1); }  // a packet

  // Links. Each host, each site's uplink to the witness and the link between the sites can be cut.
  void cut(const std::string& link) { cut_.insert(link); }
  bool is_cut(const std::string& link) const { return cut_.contains(link); }
  void join(const std::string& link) { cut_.erase(link); }
  bool reaches_manager(const Host& host) const;
  bool reach_each_other(const Host& a, const Host& b) const;

  // From hosts
  void dial(Host& host);
  void close_session(const HostId& host, std::uint64_t session, const std::string& why);
  void to_manager(Host& host, std::uint64_t session, wire::FromHost message);
  void ask_lease(Host& host, wire::LeaseRequest request);
  void probe_peers(Host& host);
  void guest_started(Host& host, const VmId& vm, Generation generation);
  void watchdog_bites(Host& host);
  void truth_changed();

  // From the manager
  void to_host(const HostId& host, std::uint64_t session, wire::FromManager message);
  void power_off(const PowerOff& action);
  void power_on(const PowerOn& action);
  void check_bmc(const CheckBmc& action);
  void answered(const Answer& answer);
  void noticed(const Notify& notice);
  void decided(const AuditEntry& entry);  // stored
  Duration commit_time();
  void stall_store(bool stalled) { store_stalled_ = stalled; }

  void kill_manager();
  void freeze_manager();  // another may lead now; of the frozen ones only the latest is ever thawed
  void thaw_manager();
  void start_manager();
  // A manager's transaction reaches the store.
  Result<Revision> write(const Transaction& transaction);

  // A probe counts how often something happened: proof that rare paths ran.
  void probe(const std::string& what) { probes_[what] += 1; }
  const std::map<std::string, std::uint64_t>& probes() const { return probes_; }
  bool calm() const { return settled_; }
  void struck() { struck_ += 1; }
  int faults_struck() const { return struck_; }
  std::uint64_t fences() const { return fences_; }
  std::uint64_t moves() const { return moves_; }
  std::uint64_t faults() const { return faults_; }
  std::uint64_t steps = 0;

 private:
  // What TCP carries between a guard and the lease plane: sent again until it arrives or guard gives up.
  void carry(Host& host, Instant until, Duration again, std::function<void()> arrives);
  template <class Message>
  std::optional<Duration> retransmit(Stream<Message>& stream);
  void move_from_host(Host& host);
  void move_to_host(Host& host);
  void check_converged();
  void part_from_manager();

  const Options options_;
  Timeline timeline_;
  SeededRandom random_;
  Policy policy_;
  MemoryStore store_;
  std::vector<HostId> host_ids_;
  std::map<HostId, std::unique_ptr<Host>> hosts_;
  std::map<HostId, Bmc> bmcs_;
  std::set<std::string> cut_;
  std::unique_ptr<ManagerProcess> manager_;
  std::unique_ptr<ManagerProcess> frozen_manager_;  // or thawed, but deposed
  std::uint64_t next_session_ = 0;
  std::map<HostId, std::uint64_t> sessions_;
  std::map<HostId, Stream<wire::FromHost>> from_hosts_;
  std::map<HostId, Stream<wire::FromManager>> to_hosts_;
  std::uint64_t manager_lives_ = 0;
  std::vector<std::string> breaches_;
  std::map<VmId, SiteId> last_site_;
  std::set<std::string>
      approved_;  // VMs ("vm/<id>") that an approved plan placed at home since they last left
  std::map<std::string, std::uint64_t> probes_;
  int struck_ = 0;  // faults that had an effect
  Term last_term_;
  std::uint64_t fences_ = 0;
  std::uint64_t moves_ = 0;
  std::uint64_t faults_ = 0;
  bool store_stalled_ = false;
  bool settled_ = false;
};

}  // namespace bascule::sim
