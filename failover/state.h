// State: all that the engine knows. Records are stored and survive the manager; Live parts begin anew with
// each manager.
//
// The engine moves State through step(); the manager stores the records that a step touched, in one
// transaction, before any action of that step is taken.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/model.h"
#include "base/time.h"
#include "base/wire.h"
#include "failover/access/directory.h"
#include "failover/fencing.h"
#include "failover/reason.h"

namespace bascule {

// ---- Hosts ----

enum class HostPhase {
  absent,  // in the inventory, never heard by this manager
  up,
  suspect,  // heartbeats missed; probes are being weighed
  held,     // suspect or fencing, but we must not or can't go on: a person was paged
  fencing,  // proof of its death is being made
  down,     // proved: its evidence is stored
};
constexpr auto enum_names(HostPhase) {
  using P = HostPhase;
  return std::array{EnumName<P>{P::absent, "absent"},   EnumName<P>{P::up, "up"},
                    EnumName<P>{P::suspect, "suspect"}, EnumName<P>{P::held, "held"},
                    EnumName<P>{P::fencing, "fencing"}, EnumName<P>{P::down, "down"}};
}

// The BMC that ended a boot of this very host under our eyes (commissioning drill).
struct BmcBinding {
  std::string guid;
  WallTime drilled;
};
template <class V>
void fields(V& v, BmcBinding& x) {
  v("guid", x.guid);
  v("drilled", x.drilled);
}

struct HostInvitation {
  std::string secret;  // its SHA-256, hexadecimal
  WallTime until;
};
template <class V>
void fields(V& v, HostInvitation& x) {
  v("secret", x.secret);
  v("until", x.until);
}

struct HostRecord {
  int version = 1;
  HostId id;
  SiteId site;
  HostPhase phase = HostPhase::absent;
  Reason phase_reason = Reason::requested;
  std::optional<BootId> boot_id;  // the last that spoke
  bool has_bmc = false;
  std::optional<BmcBinding> bmc;  // absent: never tested, so power off is no evidence
  bool quarantined = false;       // gets nothing until `host clear`
  Reason quarantine_reason = Reason::requested;
  std::optional<BootId> revoked;  // no grant for this boot any more: the lease plane follows this record
  std::optional<std::uint64_t> revoked_echo;  // the stop grant that an armed guard had echoed, if one did
  bool withheld = false;           // `revoked` is a precaution: the host is silent, nothing is decided
  std::vector<Evidence> evidence;  // about boots of this host that may still be in some may_run
  std::optional<IncidentId> incident;
  Capacity capacity;             // as last reported
  bool carries_storage = false;  // daemons of its site's storage
  // Certificates: see enrolment.h
  std::optional<HostInvitation> invitation{};
  std::vector<std::string> serials{};  // that count; none: any of the authority's
  bool expelled = false;
};
template <class V>
void fields(V& v, HostRecord& x) {
  v("version", x.version);
  v("id", x.id);
  v("site", x.site);
  v("phase", x.phase);
  v("phase_reason", x.phase_reason);
  v.optional("boot_id", x.boot_id);
  v.optional("has_bmc", x.has_bmc);
  v.optional("bmc", x.bmc);
  v("quarantined", x.quarantined);
  v("quarantine_reason", x.quarantine_reason);
  v.optional("revoked", x.revoked);
  v.optional("revoked_echo", x.revoked_echo);
  v.optional("withheld", x.withheld);
  v("evidence", x.evidence);
  v.optional("incident", x.incident);
  v.optional("capacity", x.capacity);
  v.optional("carries_storage", x.carries_storage);
  v.optional("invitation", x.invitation);
  v.optional("serials", x.serials);
  v.optional("expelled", x.expelled);
}

enum class DrillPhase { none, reading, powering_off, falling_silent, powering_on };

struct StorageWord {
  wire::StorageServer server;
  Instant at;
};

struct HostLive {
  bool session = false;
  Instant session_since;
  Instant last_heard;
  std::map<HostId, Instant> seen_by;      // when each peer last had an answer of this host
  std::map<HostId, Instant> sighting_at;  // when each peer last told us of this host, seen or not
  wire::GuardStatus guard;
  std::vector<std::string> faults;     // open faults the host reported, "kind: detail"
  std::optional<StorageWord> storage;  // what a host of its site said last of the storage that it carries
  // Fencing in progress
  int power_off_attempts = 0;
  std::optional<ActionId> power_action;
  std::optional<Instant> power_retry_at;
  std::optional<Instant> power_withheld;   // since when: storage that it carries is needed
  std::optional<Instant> lapse_at;         // when the revoked lease counts as lapsed
  Duration lapse{};                        // the wait that ends then
  std::optional<ActionId> revoke_action;   // RevokeLease is out, unanswered
  std::optional<Instant> revoke_retry_at;  // it is asked again then
  std::optional<BootId> fenced_boot;       // the last boot when the decision to fence fell
  std::optional<Instant> attested_until;   // until when a person's word may be used
  // Lease plane, as last told by it
  // The boot whose guard, with an armed watchdog, echoed a stop grant. The plane may hear it before that
  // boot's hello.
  std::optional<BootId> lease_armed;
  bool lease_spared = false;  // given back while it is silent: not withheld again before it is heard
  // Readiness
  bool bmc_ok = false;
  bool bmc_doubted = false;  // it was well and gave no answer: asked once more before that is a fault
  std::string bmc_problem;
  std::optional<bool> bmc_power_on;  // as last read
  Instant bmc_read_at;
  std::optional<Instant> next_check;
  // Drill
  DrillPhase drill = DrillPhase::none;
  std::optional<RequestId> drill_request;
  std::string drill_guid;
  std::optional<BootId> drill_boot;  // must end
  std::optional<Instant> drill_deadline;
  std::optional<Instant> drill_off;  // when the BMC said off
  bool off_by_operator = false;      // switched off on request, unverified: its silence is no news
  // Indexes
  std::uint64_t committed_mib = 0;  // memory of the VMs whose may_run names this host
  std::optional<Instant> deadline;  // its entry in State::host_deadlines
};

struct Host {
  HostRecord record;
  HostLive live;
};

// ---- VMs ----

// Where a VM is decided to be. A copy enters may_run by a commit before any command is sent, and leaves only
// by a receipt.
struct Placement {
  std::optional<HostId> owner;
  Generation generation;
  std::vector<Copy> may_run;  // sorted, no copy twice
};
template <class V>
void fields(V& v, Placement& x) {
  v.optional("owner", x.owner);
  v("generation", x.generation);
  v("may_run", x.may_run);
}

enum class VmPhase {
  stopped,
  starting,  // commanded; no word yet
  running,
  stopping,
  recovering,  // its host is lost: waiting for receipts, then for a landing place
  failed,      // given up after restart_attempts: a person is needed
  deleting,
};
constexpr auto enum_names(VmPhase) {
  using P = VmPhase;
  return std::array{EnumName<P>{P::stopped, "stopped"},       EnumName<P>{P::starting, "starting"},
                    EnumName<P>{P::running, "running"},       EnumName<P>{P::stopping, "stopping"},
                    EnumName<P>{P::recovering, "recovering"}, EnumName<P>{P::failed, "failed"},
                    EnumName<P>{P::deleting, "deleting"}};
}

struct VmRecord;
// Another one whenever a machine's settings are, and for each machine.
std::string settings_tag(const VmRecord& record);

// What a tenant says about the way home: see return_wish.h.
struct ReturnWish {
  WallTime not_before;  // in the past: at any time
  OperatorId by;
};
template <class V>
void fields(V& v, ReturnWish& x) {
  v("not_before", x.not_before);
  v("by", x.by);
}

// That two of the provider's people let one of them inside without its tenant; see base/custody.h.
struct BrokenGlassSeen {
  std::string nonce;
  OperatorId by;
  std::string reason;
  WallTime at;
};
template <class V>
void fields(V& v, BrokenGlassSeen& x) {
  v("nonce", x.nonce);
  v("by", x.by);
  v("reason", x.reason);
  v("at", x.at);
}

struct VmRecord {
  int version = 1;
  VmSpec spec;
  bool wanted_running = true;
  VmPhase phase = VmPhase::stopped;
  Placement placement;
  bool away = false;                    // switched by a fault; only an approved failback ends it
  Reason reason = Reason::requested;    // of the last decision
  std::string explanation;              // for people, with names and numbers
  std::vector<HostWordEvidence> words;  // hosts' own words about copies in may_run
  std::optional<IncidentId> incident;
  std::optional<PlanId> failback;               // being carried home by this plan
  std::optional<ReturnWish> return_wish{};      // while it is away
  bool delivered = false;                       // accepted by its tenant, who alone gets inside from then on
  std::vector<BrokenGlassSeen> broken_glass{};  // the newest of them; all are in the audit
  bool keep = false;                            // it can't be deleted before somebody takes this back
  std::uint64_t settings = 0;                   // grows with each change of spec, delivered and keep
  // Of volumes that each site has a copy of
  bool has_copies = false;                         // there are such, as its hosts said last
  Generation ran;                                  // the last that was seen running
  Generation accounted;                            // the last of which it is known what its start took over
  wire::Takeover takeover = wire::Takeover::none;  // of the start under way
  std::optional<WallTime> last_alive;              // before it ended; until it is accounted for
  std::optional<WallTime> complete_until;          // what was written later was lost by the last switch
  std::optional<Duration> lost;
};
template <class V>
void fields(V& v, VmRecord& x) {
  v("version", x.version);
  v("spec", x.spec);
  v("wanted_running", x.wanted_running);
  v("phase", x.phase);
  v("placement", x.placement);
  v("away", x.away);
  v("reason", x.reason);
  v.optional("explanation", x.explanation);
  v("words", x.words);
  v.optional("incident", x.incident);
  v.optional("failback", x.failback);
  v.optional("return_wish", x.return_wish);
  v.optional("delivered", x.delivered);
  v.optional("broken_glass", x.broken_glass);
  v.optional("keep", x.keep);
  v.optional("settings", x.settings);
  v.optional("has_copies", x.has_copies);
  v.optional("ran", x.ran);
  v.optional("accounted", x.accounted);
  v.optional("takeover", x.takeover);
  v.optional("last_alive", x.last_alive);
  v.optional("complete_until", x.complete_until);
  v.optional("lost_ms", x.lost);
}

struct VolumeChangeAsked {
  RequestId request;
  wire::VolumeChange change;
};

struct VmLive {
  wire::DomainReport seen;         // as last reported by the owner
  std::optional<ActionId> action;  // outstanding command
  std::optional<Instant> action_deadline;
  std::optional<RequestId> request;       // to answer when the operation ends
  bool again = false;                     // it is of a reboot: whatever comes of it, the VM is to run
  std::vector<Instant> restarts;          // within restart_window
  std::map<HostId, std::string> avoid;    // refused or failed to start it lately, and why
  bool refused_for_now = false;           // one of them for what may pass, as storage that doesn't answer
  bool wait_told = false;                 // that it waits until a host can start it
  std::optional<Instant> deadline;        // its entry in State::vm_deadlines
  std::vector<wire::VolumeSeen> volumes;  // as the owner last told
  std::optional<Instant> behind_since;    // a copy doesn't follow
  bool behind_told = false;
  std::optional<VolumeChangeAsked> change;  // under way, by the outstanding command
};

struct Vm {
  VmRecord record;
  VmLive live;
};

// ---- Incidents and plans ----

// One fault and all that follows from it: one message plus digests, however many VMs it hits.
struct Incident {
  int version = 1;
  IncidentId id;
  std::string kind;  // "host_lost", "site_lost", …
  std::optional<SiteId> site;
  std::vector<HostId> hosts;
  std::vector<VmId> vms;       // affected
  std::vector<VmId> switched;  // already running elsewhere
  WallTime opened;
  std::optional<WallTime> closed;
};
template <class V>
void fields(V& v, Incident& x) {
  v("version", x.version);
  v("id", x.id);
  v("kind", x.kind);
  v.optional("site", x.site);
  v("hosts", x.hosts);
  v("vms", x.vms);
  v("switched", x.switched);
  v("opened", x.opened);
  v.optional("closed", x.closed);
}

enum class PlanPhase { proposed, approved, running, done, refused, expired, called_off };
constexpr auto enum_names(PlanPhase) {
  using P = PlanPhase;
  return std::array{EnumName<P>{P::proposed, "proposed"},    EnumName<P>{P::approved, "approved"},
                    EnumName<P>{P::running, "running"},      EnumName<P>{P::done, "done"},
                    EnumName<P>{P::refused, "refused"},      EnumName<P>{P::expired, "expired"},
                    EnumName<P>{P::called_off, "called_off"}};
}
// following: home's copies of the volumes are brought in step; the guest runs on.
enum class PlanItemPhase { waiting, following, stopping, starting, home, refused, called_off };
constexpr auto enum_names(PlanItemPhase) {
  using P = PlanItemPhase;
  return std::array{EnumName<P>{P::waiting, "waiting"},
                    EnumName<P>{P::following, "following"},
                    EnumName<P>{P::stopping, "stopping"},
                    EnumName<P>{P::starting, "starting"},
                    EnumName<P>{P::home, "home"},
                    EnumName<P>{P::refused, "refused"},
                    EnumName<P>{P::called_off, "called_off"}};
}
struct PlanItem {
  VmId vm;
  std::string name;
  Copy from;
  Copy to;
  Generation generation;  // as read; another one makes the plan stale
  PlanItemPhase phase = PlanItemPhase::waiting;
  std::string why_safe;   // or why it was refused
  std::string despite{};  // its tenant asked to postpone it, in words
};
template <class V>
void fields(V& v, PlanItem& x) {
  v("vm", x.vm);
  v("name", x.name);
  v("from", x.from);
  v("to", x.to);
  v("generation", x.generation);
  v("phase", x.phase);
  v.optional("why_safe", x.why_safe);
  v.optional("despite", x.despite);
}
struct FailbackPlan {
  int version = 1;
  PlanId id;
  std::string digest;  // SHA-256 over epoch and all that the items read
  PlanPhase phase = PlanPhase::proposed;
  std::vector<PlanItem> items;
  WallTime created;
  WallTime expires;
  OperatorId author;
  std::optional<OperatorId> approved_by;
  std::string reason;     // of the approval
  WallTime not_before{};  // approved for later; 0: at once
};
template <class V>
void fields(V& v, FailbackPlan& x) {
  v("version", x.version);
  v("id", x.id);
  v("digest", x.digest);
  v("phase", x.phase);
  v("items", x.items);
  v("created", x.created);
  v("expires", x.expires);
  v("author", x.author);
  v.optional("approved_by", x.approved_by);
  v.optional("reason", x.reason);
  v.optional("not_before", x.not_before);
}

// What this manager still has to tell about an incident.
struct IncidentLive {
  Instant opened;
  std::set<VmId> pending;            // affected, and neither running elsewhere nor given up
  std::size_t announced = 0;         // how many of `switched` were told
  std::optional<Instant> digest_at;  // earliest time of the next digest
};

// ---- The whole ----

// A command that a host has not answered yet, or a power action that an operator waits for.
enum class CommandKind { start, stop, forbid, forget, follow, change, power };
struct PendingAction {
  CommandKind kind = CommandKind::start;
  VmId vm;
  Copy to;
  Generation generation;
  std::optional<RequestId> request;
};

struct Site {
  SiteId id;
  bool primary = false;
};

// Stored under "cluster".
struct ClusterRecord {
  int version = 1;
  ClusterId cluster;
  Epoch epoch;
  Term term;
  std::uint64_t next_number = 1;  // of incidents, plans, actions
  bool recovering = false;   // the database was restored: nothing is started or fenced until all reported
  Duration longest_lapse{};  // largest manager_lapse that any predecessor granted
  AccessWeek access_week{};
};
template <class V>
void fields(V& v, ClusterRecord& x) {
  v("version", x.version);
  v("cluster", x.cluster);
  v("epoch", x.epoch);
  v("term", x.term);
  v("next_number", x.next_number);
  v("recovering", x.recovering);
  v("longest_lapse_ms", x.longest_lapse);
  v.optional("access_week", x.access_week);
}

struct State {
  ClusterRecord cluster;
  ManagerId manager;
  std::map<SiteId, Site> sites;
  std::map<HostId, Host> hosts;
  std::map<VmId, Vm> vms;
  std::map<IncidentId, Incident> incidents;
  std::map<PlanId, FailbackPlan> plans;
  Directory directory;  // people, tenants, open access sessions
  std::map<AccessId, Instant> access_ends;
  std::map<std::string, AccessWatch> access_watches;  // by kind and person
  std::uint32_t access_refused = 0;                   // since they were stored
  Instant access_stored{};
  std::map<std::string, std::string> channels;  // dead notice channels and why
  std::map<std::string, std::string> ending;    // what the manager lives on and ends soon (EndsSoon)
  std::vector<Instant> fences;                  // of the brake's window
  std::vector<HostId> kept;                     // as the hosts were told last: see storage_servers.h
  Instant started;                              // of this manager
  Instant last_step;                            // to notice a stall of our own
  std::set<std::pair<Instant, HostId>>
      host_deadlines;  // indexes: next deadline of each host and VM, kept by step()
  std::set<std::pair<Instant, VmId>> vm_deadlines;
  std::map<HostId, std::set<VmId>> vms_by_host;  // VMs whose may_run names the host
  std::map<std::string, VmId> vm_names;
  std::map<ActionId, PendingAction> pending;
  std::map<IncidentId, IncidentLive> incident_live;
  std::map<PlanId, Instant> plan_expiry;  // of proposed and running plans
  std::uint64_t next_action = 1;          // of this manager: action ids are "<manager>-<number>"
  Instant next_tick;                      // the periodic Tick that notices a stall of our own
  bool resumed = false;                   // the first Tick took up what the predecessor left
  bool isolated = false;                  // no host at all was heard when one was weighed last
  // Recovery in its order (priority, name), done in portions; and VMs that found no place
  std::set<std::tuple<int, std::string, VmId>> to_recover;
  std::set<VmId> unplaced;
};

// The earliest instant at which step() wants a Tick; nothing when no timer runs.
std::optional<Instant> next_deadline(const State& state);

// Makes the indexes anew, from the records and each host's and VM's own deadline.
void rebuild_indexes(State& state);

}  // namespace bascule
