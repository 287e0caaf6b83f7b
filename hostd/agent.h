// Agent: what a hypervisor host does with the manager's commands and with what it finds on itself.
//
// It owns no thread and no socket. Others call it: the session (hello, guard, obey), a pump that watches QEMU
// processes, one that surveys libvirt, one that enforces the device policy. What it has to say goes to
// `tell`, which must not block. Each VM is worked on by one caller at a time (a claim); nothing here waits
// for libvirt while holding the agent's mutex, so that hello() and guard() answer at once whatever libvirtd
// does.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/time.h"
#include "base/wire.h"
#include "hostd/custodian.h"
#include "hostd/device_policy.h"
#include "hostd/domain_xml.h"
#include "hostd/hypervisor.h"
#include "hostd/lease_view.h"
#include "hostd/packet_filter.h"
#include "hostd/qemu_processes.h"
#include "hostd/seed_disk.h"
#include "hostd/storage.h"
#include "hostd/tombstones.h"

namespace bascule::hostd {

struct HostIdentity {
  ClusterId cluster;
  HostId host;
  BootId boot;
  Capacity capacity;
  std::string domain_type;
};

struct AgentParts {
  Hypervisor& hypervisor;
  QemuProcesses& processes;
  Tombstones& tombstones;
  StoragePools& pools;
  const Clock& clock;  // now() is CLOCK_BOOTTIME
  ReadLease read_lease;
  std::function<bool()> devices_allowed;  // the root-owned exception file is there
  std::function<void(wire::FromHost)> tell;
  std::string seed_folder;  // where QEMU finds its seed disks
  Custodian& custodian;
  PacketFilter& filter;
};

VmId vm_of(const wire::Command& command);
// The others touch volumes alone: whatever the host is told of the VM meanwhile is obeyed.
bool works_on_domain(const wire::Command& command);

class Agent {
 public:
  Agent(HostIdentity identity, AgentParts parts);

  // Before the session begins: takes over the guests of an earlier life of this daemon, by /proc alone.
  void adopt();

  // ---- The session's ----
  wire::Hello hello() const;
  wire::GuardStatus guard() const;
  Duration clock() const { return parts_.clock.now().since_start; }
  Status acceptable(const wire::Welcome& welcome) const;
  std::vector<wire::HostFault> active_faults() const;
  bool runs(const VmId& vm, Generation generation) const;
  // Whether a console may be opened, and until when; absent: as long as anybody likes. Blocks on the storage.
  Result<std::optional<WallTime>> enter(const wire::OpenStream& order, const DomainIdentity& identity);
  void watch_custody();  // one round over the guests: what was once delivered stays so while it runs
  void tell_hosts(const wire::Welcome& welcome);
  std::optional<std::vector<wire::StorageServer>> take_servers();  // of all pools; see StoragePool

  // ---- Commands: blocks; the reply goes to `tell`, perhaps later (a graceful stop) ----
  void obey(const wire::Command& command);
  void refuse(const wire::Command& command, ErrorCode code, const std::string& why);

  // ---- What happens on the host ----
  void on_domain(const DomainEvent& event);  // from the hypervisor's thread: only notes it
  void on_connection(bool connected);
  void watch_processes();  // one round; waits up to half a second for an end
  void survey();           // one round over libvirt's domains
  void enforce_policy();   // one round over libvirt's domains
  void keep_apart();       // one round over the rules that keep guests apart on the network
  void tend_storage();     // one round over the pools and the guests' volumes; blocks on the storage
  // A fault stands until it is cleared; one that tells of something that was dealt with passes by itself.
  enum class Lasting { standing, passing };
  void raise(const std::string& kind, const std::string& what, const std::optional<VmId>& vm,
             const std::string& detail, Lasting lasting = Lasting::standing);
  void clear(const std::string& kind, const std::string& what, const std::optional<VmId>& vm);

 private:
  // A guest that this host holds.
  struct Guest {
    Generation generation;
    wire::DomainState state = wire::DomainState::starting;
    std::string detail;
    std::uint64_t guard_stops = 0;             // the guard's count when we began to watch it
    std::optional<DomainEventKind> end_event;  // what libvirt said of its end
    std::optional<Instant> vanished;           // its process was first missed
  };
  struct PendingStop {
    ActionId action;
    Instant deadline;
  };
  // While it lives nobody else works on the VM.
  class Claim {
   public:
    Claim(Agent& agent, VmId vm) : agent_(&agent), vm_(std::move(vm)) {}
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    ~Claim() { agent_->unclaim(vm_); }

   private:
    Agent* agent_;
    VmId vm_;
  };
  struct Done {
    wire::DomainReport domain;
    std::vector<wire::VolumeTaken> taken;
    std::vector<wire::VolumeSeen> volumes;
  };
  using Reply = Result<std::optional<Done>>;  // nothing: it comes later
  // What a start needs, once the volumes are open.
  struct Prepared {
    std::string xml;
    std::vector<DiskSecret> secrets;
    std::vector<wire::VolumeTaken> taken;
    std::optional<SeedDisk> seed;
    bool delivered = false;
  };

  // agent.cc
  bool claim(const VmId& vm, Duration wait);
  bool claim_as_seen(const VmId& vm, std::uint64_t seen_at);
  void unclaim(const VmId& vm);
  bool untouched_since(const VmId& vm, std::uint64_t moment) const;
  std::uint64_t moment() const;
  wire::DomainReport report(const VmId& vm) const;
  void set_guest(const VmId& vm, Guest guest);
  std::optional<Guest> guest(const VmId& vm) const;
  void answer(const ActionId& action, Status status, std::optional<wire::DomainReport> domain,
              std::vector<wire::VolumeTaken> taken = {}, std::vector<wire::VolumeSeen> volumes = {});
  bool is_new(const ActionId& action);
  void pause(Duration time);  // between two looks at something that gives no notice

  // agent_orders.cc
  Status check(const wire::Command& command);
  Status check_time_and_lease(const wire::Command& command) const;
  Reply carry_out(const wire::Command& command, const wire::StartVm& order);
  Reply carry_out(const wire::Command& command, const wire::StopVm& order);
  Reply carry_out(const wire::Command& command, const wire::ForbidVm& order);
  Reply carry_out(const wire::Command& command, const wire::ForgetVm& order);
  Reply carry_out(const wire::Command& command, const wire::FollowVolumes& order);
  Reply carry_out(const wire::Command& command, const wire::ChangeVolumes& order);
  Result<Prepared> prepare(const wire::Command& command, const wire::StartVm& order);
  Status prepare_disk(const Disk& disk, const Taking& taking, const wire::StartVm& order, DomainPlan& plan,
                      Prepared& prepared);
  static Status check_format(const Disk& disk, const DiskSource& source);
  Status wait_until_free(const VmId& vm);
  Status run(const wire::Command& command, const VmSpec& spec, const Prepared& prepared);
  Status check_running_policy(const VmId& vm);
  Status make_gone(const VmId& vm);
  Status end_up_to(const VmId& vm, Generation generation);

  // agent_watch.cc
  void guest_ended(const VmId& vm, wire::DomainCause cause, const std::string& detail);
  std::optional<wire::DomainCause> cause_of_end(const VmId& vm, const Guest& guest);
  void look_for_ends(const std::vector<QemuProcess>& found, std::uint64_t seen_at);
  void look_for_strangers(const std::vector<QemuProcess>& found, std::uint64_t seen_at);
  void look_for_duplicates(const std::vector<QemuProcess>& found);
  void look_at_deadlines();
  void clear_passed_faults();  // agent.cc
  void look_at_domain(const Domain& domain, std::uint64_t seen_at);
  void note_state(const Domain& domain);
  void kill_stranger(const QemuProcess& process, std::uint64_t seen_at);
  void stop_stranger(const VmId& vm, Generation generation, const std::string& name, std::uint64_t seen_at);
  void enforce_on(const Domain& domain, std::uint64_t seen_at);

  // agent_custody.cc
  Status check_volume(const StoragePool& pool, const Disk& disk, const VmSpec& spec) const;
  std::shared_ptr<std::mutex> custody_lock(const VmId& vm);
  Result<bool> keep_custody(StoragePool& pool, const Disk& disk, const VmSpec& spec,
                            const wire::StartVm& order);
  void note_boot(const VmSpec& spec);
  Status check_never_delivered(const wire::OpenStream& order) const;
  Reply deliver(const wire::ChangeVolumes& order);
  Status may_roll_back(const VmSpec& spec, const wire::RollBack& change);
  Status check_taken_since(const Disk& disk, const std::string& snapshot,
                           const std::optional<WallTime>& delivered) const;
  Status keep_entry(const VmId& vm, const std::vector<DomainIdentity::Volume>& volumes,
                    const Custodian::Entry& entry);
  Result<std::optional<Custody>> strictest_custody(const VmId& vm,
                                                   const std::vector<DomainIdentity::Volume>& volumes) const;

  // agent_storage.cc
  std::vector<DomainIdentity::Volume> volumes_of(const VmId& vm, Generation generation);
  void wait_for_closing(const VmId& vm);
  void close_volumes(const std::map<VmId, Generation>& running);
  void tend_volumes(const VmId& vm, Generation generation, const std::vector<DiskUse>& uses);
  struct VolumeToChange {
    StoragePool* pool = nullptr;
    const Disk* disk = nullptr;
    std::size_t index = 0;  // among the VM's disks
  };
  Result<std::vector<VolumeToChange>> volumes_to_change(const wire::ChangeVolumes& order);
  Status check_all(const std::vector<VolumeToChange>& volumes, const Changing& changing) const;
  Status roll_back_all(const std::vector<VolumeToChange>& volumes, const Changing& changing);
  void remove_snapshot(const std::vector<VolumeToChange>& volumes, const VmId& vm, const std::string& name);
  Status change_all(const std::vector<VolumeToChange>& volumes, const Changing& changing, bool runs);
  void stop_fenced(const VmId& vm, Generation generation, const std::string& volume);

  const HostIdentity identity_;
  const AgentParts parts_;

  mutable std::mutex mutex_;
  std::condition_variable unclaimed_;
  std::condition_variable closed_one_;
  std::map<VmId, std::shared_ptr<std::mutex>> custody_locks_;
  std::map<VmId, Generation> delivered_;  // guests of this host that were seen delivered
  std::set<VmId> unwatched_;              // guests of an earlier life of this daemon, not looked at yet
  std::set<VmId> in_use_;  // whose volumes the storage pump tends, and closes when they have ended
  std::map<VmId, Guest> guests_;
  std::set<VmId> claims_;
  std::uint64_t moment_ = 0;  // counts claims, so that a stale look is told from a fresh one
  std::map<VmId, std::uint64_t> touched_;
  std::map<VmId, PendingStop> stops_;
  std::map<VmId, Instant> strangers_;  // processes that nobody holds, since when
  struct Fault {
    wire::HostFault fault;
    std::optional<Instant> passes;
  };
  std::map<std::string, Fault> faults_;
  std::optional<Instant> libvirt_lost_;
  // The storage pump's own.
  struct Tended {
    Generation generation;
    std::vector<DomainIdentity::Volume> volumes;
    wire::VolumesSeen told;
    Instant told_at;
  };
  std::map<VmId, Tended> tended_;
  std::map<ActionId, std::optional<wire::CommandReply>> actions_;  // nothing: in progress
  std::deque<ActionId> action_order_;
};

}  // namespace bascule::hostd
