// Views: what the API shows. One struct per representation; its fields() is the contract with every client.
//
// Fields are only ever added. Absent optional fields are left out. Times are milliseconds since 1970 (UTC).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/model.h"
#include "base/time.h"
#include "base/wire.h"
#include "failover/audit_record.h"
#include "failover/readiness.h"
#include "failover/state.h"

namespace bascule {
constexpr auto enum_names(DrillPhase) {
  using D = DrillPhase;
  return std::array{EnumName<D>{D::none, "none"}, EnumName<D>{D::powering_off, "powering_off"},
                    EnumName<D>{D::powering_on, "powering_on"}};
}
}  // namespace bascule

namespace bascule::api {

// Every list: {"items": […]}.
template <class T>
struct List {
  std::vector<T> items;
  std::string next;  // to be given as `after` for the next page; empty: that was all
};
template <class V, class T>
void fields(V& v, List<T>& x) {
  v("items", x.items);
  v.optional("next", x.next);
}

// A yes or no that a person will ask about.
struct Answered {
  bool value = false;
  std::string because;
};
template <class V>
void fields(V& v, Answered& x) {
  v("value", x.value);
  v("because", x.because);
}

// ---- Status ----

struct Counts {
  int hosts = 0;
  int hosts_up = 0;
  int hosts_down = 0;  // neither up nor held
  int vms = 0;
  int vms_running = 0;
  int recovering = 0;   // VMs between two hosts
  int away = 0;         // running or wanted at another site than home, after a fault
  int unprotected = 0;  // protected VMs that could not be switched now
  int held = 0;         // hosts on which a person must decide
  int failed = 0;       // VMs that were given up
  int quarantined = 0;
  int faults = 0;  // open faults of hosts and notice channels
};
template <class V>
void fields(V& v, Counts& x) {
  v("hosts", x.hosts);
  v("hosts_up", x.hosts_up);
  v("hosts_down", x.hosts_down);
  v("vms", x.vms);
  v("vms_running", x.vms_running);
  v("recovering", x.recovering);
  v("away", x.away);
  v("unprotected", x.unprotected);
  v("held", x.held);
  v("failed", x.failed);
  v("quarantined", x.quarantined);
  v("faults", x.faults);
}

struct ChannelView {
  std::string name;
  std::string problem;  // empty: it works, as far as it was used
};
template <class V>
void fields(V& v, ChannelView& x) {
  v("name", x.name);
  v("problem", x.problem);
}

// What the storage carries from one site to the other, all volumes of the guests that run there together.
struct ReplicationView {
  SiteId from;
  std::size_t volumes = 0;
  std::size_t following = 0;       // whose copy is well
  std::optional<Duration> behind;  // the one that is furthest behind; absent: none tells
};
template <class V>
void fields(V& v, ReplicationView& x) {
  v("from", x.from);
  v("volumes", x.volumes);
  v("following", x.following);
  v.optional("behind_ms", x.behind);
}

struct StatusView {
  std::string word;  // "NOMINAL", or "2 AWAY, 1 HELD"
  ClusterId cluster;
  ManagerId manager;
  std::string version;
  Epoch epoch;
  Term term;
  bool recovering = false;
  Counts counts;
  std::vector<std::string> attention;      // what is wrong, one sentence each, with what to do
  std::vector<std::string> not_automatic;  // what this set-up would not do on its own
  std::vector<ChannelView> channels;       // by which operations are told, mail and SMS
  std::vector<ReplicationView> replication;
};
template <class V>
void fields(V& v, StatusView& x) {
  v("word", x.word);
  v("cluster", x.cluster);
  v("manager", x.manager);
  v("version", x.version);
  v("epoch", x.epoch);
  v("term", x.term);
  v("recovering", x.recovering);
  v("counts", x.counts);
  v("attention", x.attention);
  v("not_automatic", x.not_automatic);
  v("channels", x.channels);
  v("replication", x.replication);
}

// ---- Hosts ----

// Whether this host could be proved dead without a person.
struct FencingView {
  FencingState state = FencingState::never_tested;
  std::string because;
  std::string bmc_guid;             // bound by the commissioning drill; empty: never
  std::optional<WallTime> drilled;  // when
  std::optional<bool> power_on;     // as the BMC last said
  bool lease = false;               // a stop grant is held by a guard with an armed watchdog
};
template <class V>
void fields(V& v, FencingView& x) {
  v("state", x.state);
  v("because", x.because);
  v("bmc_guid", x.bmc_guid);
  v.optional("drilled", x.drilled);
  v.optional("power_on", x.power_on);
  v("lease", x.lease);
}

struct Used {
  std::uint64_t memory_mib = 0;
  std::uint32_t vcpus = 0;
  int vms = 0;
};
template <class V>
void fields(V& v, Used& x) {
  v("memory_mib", x.memory_mib);
  v("vcpus", x.vcpus);
  v("vms", x.vms);
}

// What passes its own interfaces, bytes a second, and what they carry at most each way (0: unknown).
struct NetworkView {
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t link_bytes = 0;
};
template <class V>
void fields(V& v, NetworkView& x) {
  v("received_bytes", x.received_bytes);
  v("sent_bytes", x.sent_bytes);
  v("link_bytes", x.link_bytes);
}

struct HostView {
  HostId id;
  std::string name;
  SiteId site;
  HostPhase phase = HostPhase::absent;
  Reason reason = Reason::requested;
  bool session = false;  // connected to this manager now
  bool quarantined = false;
  std::optional<Reason> quarantined_why;
  std::optional<BootId> boot_id;
  FencingView fencing;
  wire::GuardStatus guard;
  Capacity capacity;
  Used used;
  DrillPhase drill = DrillPhase::none;
  std::vector<std::string> faults;
  std::optional<wire::StorageServer> storage;  // what it carries of its site's storage, as last told
  std::vector<std::string> vms;                // names of the VMs placed here
  std::vector<std::string>
      would_start;  // names of the VMs that start elsewhere once this host is proved dead
  std::optional<IncidentId> incident;
  std::optional<NetworkView> network;  // absent: nothing was measured within a minute
};
template <class V>
void fields(V& v, HostView& x) {
  v("id", x.id);
  v("name", x.name);
  v("site", x.site);
  v("phase", x.phase);
  v("reason", x.reason);
  v("session", x.session);
  v("quarantined", x.quarantined);
  v.optional("quarantined_why", x.quarantined_why);
  v.optional("boot_id", x.boot_id);
  v("fencing", x.fencing);
  v("guard", x.guard);
  v("capacity", x.capacity);
  v("used", x.used);
  v("drill", x.drill);
  v("faults", x.faults);
  v.optional("storage", x.storage);
  v("vms", x.vms);
  v("would_start", x.would_start);
  v.optional("incident", x.incident);
  v.optional("network", x.network);
}

// ---- VMs ----

struct VmView {
  VmId id;
  std::string name;
  VmPhase state = VmPhase::stopped;
  std::optional<HostId> host;
  std::optional<SiteId> site;
  SiteId home;
  Reason reason = Reason::requested;
  std::string explanation;
  Generation generation;
  bool away = false;
  bool protected_ = true;
  bool wanted_running = true;
  Answered switchable_now;
  std::vector<wire::VolumeSeen> volumes;   // that the other site has a copy of, as the host last told
  std::optional<WallTime> complete_until;  // what was written later was lost by the last switch
  std::optional<Duration> lost;
  std::vector<Copy> may_run;
  std::uint32_t memory_mib = 0;
  std::uint32_t vcpus = 0;
  std::vector<Disk> disks;
  std::vector<Nic> nics;
  std::optional<KernelBoot> kernel;
  int priority = 0;
  TenantId tenant;  // empty: the provider's own
  bool delivered = false;
  std::vector<BrokenGlassSeen> broken_glass;  // when the provider went inside without its tenant
  bool keep = false;                          // it can't be deleted
  std::optional<IncidentId> incident;
  std::optional<PlanId> failback;
  std::optional<ReturnWish> return_wish;  // its tenant's word about the way home
};
template <class V>
void fields(V& v, VmView& x) {
  v("id", x.id);
  v("name", x.name);
  v("state", x.state);
  v("host", x.host);
  v("site", x.site);
  v("home", x.home);
  v("reason", x.reason);
  v("explanation", x.explanation);
  v("generation", x.generation);
  v("away", x.away);
  v("protected", x.protected_);
  v("wanted_running", x.wanted_running);
  v("switchable_now", x.switchable_now);
  v("volumes", x.volumes);
  v.optional("complete_until", x.complete_until);
  v.optional("lost_ms", x.lost);
  v("may_run", x.may_run);
  v("memory_mib", x.memory_mib);
  v("vcpus", x.vcpus);
  v("disks", x.disks);
  v("nics", x.nics);
  v.optional("kernel", x.kernel);
  v("priority", x.priority);
  v.optional("tenant", x.tenant);
  v.optional("delivered", x.delivered);
  v.optional("broken_glass", x.broken_glass);
  v.optional("keep", x.keep);
  v.optional("incident", x.incident);
  v.optional("failback", x.failback);
  v.optional("return_wish", x.return_wish);
}

// ---- Streams ----

// Leave to open one stream: a console, or the upload of an image.
struct Ticket {
  std::string path;  // of the WebSocket, good once
  WallTime expires;
};
template <class V>
void fields(V& v, Ticket& x) {
  v("path", x.path);
  v("expires", x.expires);
}

// ---- Metrics ----

// Means over a time that began `at`; memory as it was at its end.
struct MeasuredView {
  WallTime at;
  double cpus = 0;  // at work: 1.5 is one and a half
  std::uint64_t memory_bytes = 0;
  std::uint64_t disk_reads = 0;  // a second, as are all that follow
  std::uint64_t disk_writes = 0;
  std::uint64_t disk_read_bytes = 0;
  std::uint64_t disk_written_bytes = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
};
template <class V>
void fields(V& v, MeasuredView& x) {
  v("at", x.at);
  v("cpus", x.cpus);
  v("memory_bytes", x.memory_bytes);
  v("disk_reads", x.disk_reads);
  v("disk_writes", x.disk_writes);
  v("disk_read_bytes", x.disk_read_bytes);
  v("disk_written_bytes", x.disk_written_bytes);
  v("received_bytes", x.received_bytes);
  v("sent_bytes", x.sent_bytes);
}

struct MetricsView {
  std::optional<MeasuredView> now;  // absent: it doesn't run, or nobody could look for a minute
  Duration step{};
  std::vector<MeasuredView>
      steps;  // of the last 24 hours, oldest first; where nobody could look there is none
};
template <class V>
void fields(V& v, MetricsView& x) {
  v.optional("now", x.now);
  v("step_ms", x.step);
  v("steps", x.steps);
}

// ---- The trail ----

// One record of the audit; its number is also the number of the event.
struct EventView {
  std::uint64_t number = 0;
  WallTime at;
  AuditRecord record;
};
template <class V>
void fields(V& v, EventView& x) {
  v("number", x.number);
  v("at", x.at);
  fields(v, x.record);
}

// A page of the trail, and the number to ask on from.
struct EventPage {
  std::vector<EventView> items;
  std::uint64_t next = 0;
};
template <class V>
void fields(V& v, EventPage& x) {
  v("items", x.items);
  v("next", x.next);
}

struct EvidenceView {
  std::string host;
  Evidence evidence;
};
template <class V>
void fields(V& v, EvidenceView& x) {
  v("host", x.host);
  v("evidence", x.evidence);
}

// Why something is as it is: the present state in words, the evidence held, the trail of decisions.
struct ExplainView {
  std::string subject;  // "vm/<id>", "host/paris-1"
  std::string name;
  std::string state;
  Reason reason = Reason::requested;
  std::string explanation;
  std::vector<EvidenceView> evidence;
  std::vector<EventView> trail;  // oldest first
};
template <class V>
void fields(V& v, ExplainView& x) {
  v("subject", x.subject);
  v("name", x.name);
  v("state", x.state);
  v("reason", x.reason);
  v("explanation", x.explanation);
  v("evidence", x.evidence);
  v("trail", x.trail);
}

// An incident and, oldest first, what was seen, decided and done about its hosts and VMs from shortly before
// it was opened until shortly after its end.
struct IncidentView {
  Incident incident;
  std::vector<EventView> timeline;
  bool cut = false;  // more happened than is shown: `bascule audit list` has the rest
};
template <class V>
void fields(V& v, IncidentView& x) {
  fields(v, x.incident);
  v("timeline", x.timeline);
  v("cut", x.cut);
}

struct AuditVerdict {
  bool intact = false;
  std::uint64_t records = 0;
  std::string detail;  // what was checked, or the first record that is wrong
};
template <class V>
void fields(V& v, AuditVerdict& x) {
  v("intact", x.intact);
  v("records", x.records);
  v("detail", x.detail);
}

struct AuditLines {
  std::vector<std::string> lines;
  std::uint64_t next = 0;
};
template <class V>
void fields(V& v, AuditLines& x) {
  v("lines", x.lines);
  v("next", x.next);
}

struct AuditKey {
  std::string public_key;  // PEM
};
template <class V>
void fields(V& v, AuditKey& x) {
  v("public_key", x.public_key);
}

// ---- Operations ----

enum class OperationState { running, done, failed };
constexpr auto enum_names(OperationState) {
  using S = OperationState;
  return std::array{EnumName<S>{S::running, "running"}, EnumName<S>{S::done, "done"},
                    EnumName<S>{S::failed, "failed"}};
}

// A change that was asked for: what the engine answered, or that it still works on it.
struct OperationView {
  RequestId id;
  OperationState state = OperationState::running;
  std::string what;     // "create_vm", "drill_host"
  std::string subject;  // id of what was made or changed; empty until known
  OperatorId by;
  std::optional<Error> error;
  std::string progress{};  // what it waits for, while it runs
};
template <class V>
void fields(V& v, OperationView& x) {
  v("id", x.id);
  v("state", x.state);
  v("what", x.what);
  v("subject", x.subject);
  v("by", x.by);
  v.optional("error", x.error);
  v.optional("progress", x.progress);
}

}  // namespace bascule::api
