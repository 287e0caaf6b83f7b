// Everything that a host and a manager say to each other: the only place where hostd and cluster meet.
//
// Two planes. Command plane: JSON text messages over one mTLS WebSocket (`/host-session`, port 7444), which
// hostd dials. Lease plane: JSON over HTTPS POST /lease (port 7445), which bascule-guard dials. Versions:
// both sides send `protocol` in their first message and refuse another major; unknown fields are tolerated,
// unknown message types are refused.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/model.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wire_console.h"
#include "base/wire_images.h"
#include "base/wire_usage.h"
#include "base/wire_volumes.h"

namespace bascule::wire {

inline constexpr int kProtocol = 1;
inline constexpr std::string_view kHostSessionPath = "/host-session";
inline constexpr std::string_view kLeasePath = "/lease";

// ---- What a host sees ----

enum class DomainState { starting, running, paused, gone };
constexpr auto enum_names(DomainState) {
  using S = DomainState;
  return std::array{EnumName<S>{S::starting, "starting"}, EnumName<S>{S::running, "running"},
                    EnumName<S>{S::paused, "paused"}, EnumName<S>{S::gone, "gone"}};
}

// One VM as the host sees it now. `gone` means that the QEMU process was reaped, looked for in libvirt *and*
// in /proc.
struct DomainReport {
  VmId vm;
  Generation
      generation;  // that the host started it with; 0 when the host doesn't know it (started out of band)
  DomainState state = DomainState::gone;
  std::string detail;  // for people: why it is so
};
template <class V>
void fields(V& v, DomainReport& x) {
  v("vm", x.vm);
  v("generation", x.generation);
  v("state", x.state);
  v.optional("detail", x.detail);
}

// "No generation up to this one ever starts on this host again", stored durably.
struct Tombstone {
  VmId vm;
  Generation generation;
};
template <class V>
void fields(V& v, Tombstone& x) {
  v("vm", x.vm);
  v("generation", x.generation);
}

// How long ago a peer last answered this host's probe.
struct PeerSighting {
  HostId host;
  std::optional<Duration> age;  // absent: never since this boot
};
template <class V>
void fields(V& v, PeerSighting& x) {
  v("host", x.host);
  v.optional("age_ms", x.age);
}

struct GuardStatus {
  bool running = false;
  bool watchdog_armed = false;  // read back from the device
  LeaseMode mode = LeaseMode::keep;
  std::string problem;  // empty when all is well
};
template <class V>
void fields(V& v, GuardStatus& x) {
  v("running", x.running);
  v("watchdog_armed", x.watchdog_armed);
  v("mode", x.mode);
  v.optional("problem", x.problem);
}

// ---- Host to manager ----

// First message of a session: all that the host knows.
struct Hello {
  static constexpr std::string_view kType = "hello";
  int protocol = kProtocol;
  ClusterId cluster;
  HostId host;
  BootId boot_id;
  std::string build;
  Epoch epoch;  // highest that it obeyed; number 0: none yet
  Term term;
  Capacity capacity;
  GuardStatus guard;
  Duration clock{};  // CLOCK_BOOTTIME of the host when it wrote this
  std::vector<DomainReport> domains;
  std::vector<Tombstone> tombstones;
};

struct Heartbeat {
  static constexpr std::string_view kType = "heartbeat";
  std::uint64_t sequence = 0;
  Duration clock{};
  GuardStatus guard;
  std::vector<PeerSighting> peers;
  // Hosts of this site that carry its storage, seen just now; absent in most heartbeats.
  std::optional<std::vector<StorageServer>> storage;
  std::optional<Usage> usage{};  // seen just now; absent in most heartbeats
};

enum class DomainCause {
  started,
  stopped,
  shutdown_by_guest,
  crashed,
  stopped_by_guard,
  out_of_band,
  policy
};
constexpr auto enum_names(DomainCause) {
  using C = DomainCause;
  return std::array{EnumName<C>{C::started, "started"},
                    EnumName<C>{C::stopped, "stopped"},
                    EnumName<C>{C::shutdown_by_guest, "shutdown_by_guest"},
                    EnumName<C>{C::crashed, "crashed"},
                    EnumName<C>{C::stopped_by_guard, "stopped_by_guard"},
                    EnumName<C>{C::out_of_band, "out_of_band"},
                    EnumName<C>{C::policy, "policy"}};
}

// A domain changed without or because of a command. `out_of_band`: started or stopped behind our back;
// the host has already stopped a start that it doesn't hold a generation for.
struct DomainChanged {
  static constexpr std::string_view kType = "domain_changed";
  DomainReport domain;
  DomainCause cause = DomainCause::stopped;
};

// Something is wrong with the host that is not a domain's state: a device plugged in, libvirtd away, disk
// full.
struct HostFault {
  static constexpr std::string_view kType = "host_fault";
  std::string kind;  // closed words: "device", "libvirt", "storage", "guard", "clock", "network"
  std::optional<VmId> vm;
  bool cleared = false;
  std::string detail;
};

struct CommandReply {
  static constexpr std::string_view kType = "command_reply";
  ActionId action;
  std::optional<Error> error;          // absent: done
  std::optional<DomainReport> domain;  // the VM after it
  std::vector<VolumeTaken> taken;      // by its start
  std::vector<VolumeSeen> volumes;     // after a change of them
};

using FromHost =
    std::variant<Hello, Heartbeat, DomainChanged, HostFault, CommandReply, VolumesSeen, ImageSeen>;

// ---- Manager to host ----

struct PeerAddress {
  HostId host;
  std::string address;  // "ip:port" of its UDP probe responder
};

// Answer to Hello. Until it arrives a host obeys nobody.
struct Welcome {
  static constexpr std::string_view kType = "welcome";
  int protocol = kProtocol;
  ClusterId cluster;
  Epoch epoch;
  Term term;
  ManagerId manager;
  Duration heartbeat{};
  std::vector<PeerAddress> peers;
  // Switched off by an operator for a while: storage that they carry needn't be copied elsewhere meanwhile.
  std::vector<HostId> kept;
};

// Where the data of mirrored volumes is, in relation to the host that starts the VM. Without a meaning in
// pools that both sites see.
enum class Takeover {
  none,     // at this host's site already
  forced,   // at the other site, which may be lost: what had not reached this one is given up
  planned,  // at the other site: nothing may be lost, else the start is refused
};
constexpr auto enum_names(Takeover) {
  return std::array{EnumName<Takeover>{Takeover::none, "none"},
                    EnumName<Takeover>{Takeover::forced, "forced"},
                    EnumName<Takeover>{Takeover::planned, "planned"}};
}

// Start this VM. Refused below or at its tombstone, without a lease (mode stop), past not_after, or if it
// runs already with another generation.
struct StartVm {
  static constexpr std::string_view kType = "start_vm";
  VmSpec spec;
  Takeover takeover = Takeover::none;
  Generation ran;          // the last generation that ran: volumes that are older are not the VM's
  bool delivered = false;  // of volumes that are made now: its tenant alone gets inside from the beginning
};

// Make this site's copies of the VM's volumes follow the other site's; the reply comes when they are in step.
// The guest runs on meanwhile, at the other site.
struct FollowVolumes {
  static constexpr std::string_view kType = "follow_volumes";
  VmSpec spec;
};

// All volumes are looked at before the first is changed.
struct ChangeVolumes {
  static constexpr std::string_view kType = "change_volumes";
  VmSpec spec;
  VolumeChange change;
};

enum class StopHow { shutdown, kill };
constexpr auto enum_names(StopHow) {
  return std::array{EnumName<StopHow>{StopHow::shutdown, "shutdown"},
                    EnumName<StopHow>{StopHow::kill, "kill"}};
}
// Stop it; the reply comes when it is gone, or with `timeout` when a shutdown was not obeyed within `grace`.
struct StopVm {
  static constexpr std::string_view kType = "stop_vm";
  VmId vm;
  StopHow how = StopHow::shutdown;
  Duration grace{};
};

// Store durably that no generation up to the command's ever starts here, kill what runs of it, answer when
// gone. Also answered on a later boot. The reply is the "host's own word".
struct ForbidVm {
  static constexpr std::string_view kType = "forbid_vm";
  VmId vm;
};

// Remove the disks' and domain's traces of a deleted VM (disks only where `delete_volumes`).
struct ForgetVm {
  static constexpr std::string_view kType = "forget_vm";
  VmSpec spec;
  bool delete_volumes = false;
};

struct Command {
  static constexpr std::string_view kType = "command";
  ActionId action;  // repeated commands with one ActionId are obeyed once and answered again
  ClusterId cluster;
  Epoch epoch;
  Term term;
  ManagerId manager;
  BootId boot_id;         // refused by any other boot
  Generation generation;  // of the VM
  Duration not_after{};   // on the host's own CLOCK_BOOTTIME, see Hello.clock
  std::variant<StartVm, StopVm, ForbidVm, ForgetVm, FollowVolumes, ChangeVolumes> order;
};

using FromManager = std::variant<Welcome, Command, OpenStream, ReceiveImage, RemoveImage>;

// ---- Lease plane ----

// Guard to manager. A reply extends the lease from the moment this request was sent.
struct LeaseRequest {
  int protocol = kProtocol;
  ClusterId cluster;
  HostId host;
  BootId boot_id;
  std::uint64_t sequence = 0;       // grows with every request of this boot
  std::uint64_t echo_sequence = 0;  // of the last grant that the guard holds; 0: none
  LeaseMode echo_mode = LeaseMode::keep;
  bool watchdog_armed = false;
  Duration watchdog_timeout{};
  Duration raw_clock{};  // CLOCK_MONOTONIC_RAW and CLOCK_BOOTTIME when sent: the rate check
  Duration boot_clock{};
};

// `withheld`: the manager doubts that the host lives and grants nothing for the moment; what is held is held.
enum class LeaseVerdict { granted, withheld, revoked, not_leader, unknown_host };
constexpr auto enum_names(LeaseVerdict) {
  using L = LeaseVerdict;
  return std::array{EnumName<L>{L::granted, "granted"}, EnumName<L>{L::withheld, "withheld"},
                    EnumName<L>{L::revoked, "revoked"}, EnumName<L>{L::not_leader, "not_leader"},
                    EnumName<L>{L::unknown_host, "unknown_host"}};
}

struct LeaseReply {
  LeaseVerdict verdict = LeaseVerdict::not_leader;
  Epoch epoch;
  Term term;
  std::uint64_t sequence = 0;  // of the request
  Duration ttl{};              // the lease is held until request sent + ttl
  Duration stop_after{};  // in mode stop the guard kills at request sent + stop_after (≤ ttl − kill_budget)
  Duration kill_budget{};  // kills take at most this, then the watchdog bites
  LeaseMode mode = LeaseMode::keep;
  std::string reason;
};

// What guard publishes for hostd in <run_dir>/lease.json, replaced atomically at each change and once a
// second. It is also the record from which a restarted guard takes up the deadline of its predecessor.
struct LeaseFile {
  BootId boot_id;
  Epoch epoch;  // highest that granted or revoked; number 0: none yet
  Term term;
  bool held = false;
  LeaseMode mode = LeaseMode::keep;
  Duration stop_at{};       // CLOCK_BOOTTIME at which the guard kills (mode stop)
  std::uint64_t stops = 0;  // how often it killed guests since boot
  bool watchdog_armed = false;
  Duration
      written{};  // CLOCK_BOOTTIME of guard's last look at its deadline: 3 s old means that guard is away
  std::string problem;
};

// ---- JSON ----

template <class V>
void fields(V& v, Hello& x) {
  v("protocol", x.protocol);
  v("cluster", x.cluster);
  v("host", x.host);
  v("boot_id", x.boot_id);
  v.optional("build", x.build);
  v("epoch", x.epoch);
  v("term", x.term);
  v("capacity", x.capacity);
  v("guard", x.guard);
  v("clock_ms", x.clock);
  v("domains", x.domains);
  v("tombstones", x.tombstones);
}
template <class V>
void fields(V& v, Heartbeat& x) {
  v("sequence", x.sequence);
  v("clock_ms", x.clock);
  v("guard", x.guard);
  v("peers", x.peers);
  v.optional("storage", x.storage);
  v.optional("usage", x.usage);
}
template <class V>
void fields(V& v, DomainChanged& x) {
  v("domain", x.domain);
  v("cause", x.cause);
}
template <class V>
void fields(V& v, HostFault& x) {
  v("kind", x.kind);
  v.optional("vm", x.vm);
  v.optional("cleared", x.cleared);
  v("detail", x.detail);
}
template <class V>
void fields(V& v, CommandReply& x) {
  v("action", x.action);
  v.optional("error", x.error);
  v.optional("domain", x.domain);
  v.optional("taken", x.taken);
  v.optional("volumes", x.volumes);
}
template <class V>
void fields(V& v, PeerAddress& x) {
  v("host", x.host);
  v("address", x.address);
}
template <class V>
void fields(V& v, Welcome& x) {
  v("protocol", x.protocol);
  v("cluster", x.cluster);
  v("epoch", x.epoch);
  v("term", x.term);
  v("manager", x.manager);
  v("heartbeat_ms", x.heartbeat);
  v("peers", x.peers);
  v.optional("kept", x.kept);
}
template <class V>
void fields(V& v, StartVm& x) {
  v("spec", x.spec);
  v.optional("takeover", x.takeover);
  v.optional("ran", x.ran);
  v.optional("delivered", x.delivered);
}
template <class V>
void fields(V& v, FollowVolumes& x) {
  v("spec", x.spec);
}
template <class V>
void fields(V& v, ChangeVolumes& x) {
  v("spec", x.spec);
  v("change", x.change);
}
template <class V>
void fields(V& v, StopVm& x) {
  v("vm", x.vm);
  v("how", x.how);
  v("grace_ms", x.grace);
}
template <class V>
void fields(V& v, ForbidVm& x) {
  v("vm", x.vm);
}
template <class V>
void fields(V& v, ForgetVm& x) {
  v("spec", x.spec);
  v("delete_volumes", x.delete_volumes);
}
template <class V>
void fields(V& v, Command& x) {
  v("action", x.action);
  v("cluster", x.cluster);
  v("epoch", x.epoch);
  v("term", x.term);
  v("manager", x.manager);
  v("boot_id", x.boot_id);
  v("generation", x.generation);
  v("not_after_ms", x.not_after);
  v("order", x.order);
}
template <class V>
void fields(V& v, LeaseRequest& x) {
  v("protocol", x.protocol);
  v("cluster", x.cluster);
  v("host", x.host);
  v("boot_id", x.boot_id);
  v("sequence", x.sequence);
  v("echo_sequence", x.echo_sequence);
  v("echo_mode", x.echo_mode);
  v("watchdog_armed", x.watchdog_armed);
  v("watchdog_timeout_ms", x.watchdog_timeout);
  v("raw_clock_ms", x.raw_clock);
  v("boot_clock_ms", x.boot_clock);
}
template <class V>
void fields(V& v, LeaseReply& x) {
  v("verdict", x.verdict);
  v("epoch", x.epoch);
  v("term", x.term);
  v("sequence", x.sequence);
  v("ttl_ms", x.ttl);
  v("stop_after_ms", x.stop_after);
  v("kill_budget_ms", x.kill_budget);
  v("mode", x.mode);
  v.optional("reason", x.reason);
}
template <class V>
void fields(V& v, LeaseFile& x) {
  v("boot_id", x.boot_id);
  v.optional("epoch", x.epoch);
  v.optional("term", x.term);
  v("held", x.held);
  v("mode", x.mode);
  v("stop_at_ms", x.stop_at);
  v("stops", x.stops);
  v("watchdog_armed", x.watchdog_armed);
  v("written_ms", x.written);
  v.optional("problem", x.problem);
}

}  // namespace bascule::wire
