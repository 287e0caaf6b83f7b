// Events: everything that can reach the engine. A journal holds them all: durations carry no more than whole
// milliseconds. Nothing in them is secret but what a tenant wrote into a Seed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/model.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wire.h"
#include "failover/access/request.h"
#include "failover/fencing.h"

namespace bascule {

// ---- From hosts (already authenticated: the certificate's CN is the host) ----
struct HostHello {
  static constexpr std::string_view kType = "host_hello";
  wire::Hello hello;
};
struct HostHeartbeat {
  static constexpr std::string_view kType = "host_heartbeat";
  Copy from;
  wire::Heartbeat heartbeat;
};
struct HostDomainChanged {
  static constexpr std::string_view kType = "host_domain_changed";
  Copy from;
  wire::DomainChanged change;
};
struct HostFaultReported {
  static constexpr std::string_view kType = "host_fault_reported";
  Copy from;
  wire::HostFault fault;
};
struct HostVolumesSeen {
  static constexpr std::string_view kType = "host_volumes_seen";
  Copy from;
  wire::VolumesSeen seen;
};
struct HostImageSeen {
  static constexpr std::string_view kType = "host_image_seen";
  Copy from;
  wire::ImageSeen seen;
};
struct HostReplied {
  static constexpr std::string_view kType = "host_replied";
  Copy from;
  wire::CommandReply reply;
};
struct HostSessionClosed {
  static constexpr std::string_view kType = "host_session_closed";
  Copy from;
  std::string why;
};

// ---- From our own parts ----
struct PowerOffDone {  // outcome of PowerOff: two reads `off`, reads_apart between them
  static constexpr std::string_view kType = "power_off_done";
  ActionId action;
  HostId host;
  Result<void> outcome;
  std::string bmc_guid;
  Duration reads_apart{};
};
struct PowerOnDone {
  static constexpr std::string_view kType = "power_on_done";
  ActionId action;
  HostId host;
  Result<void> outcome;
};
struct BmcChecked {  // outcome of CheckBmc
  static constexpr std::string_view kType = "bmc_checked";
  HostId host;
  Result<void> outcome;
  std::string bmc_guid;
  bool power_on = false;
};
struct LeaseObserved {  // the lease plane's view changed: an armed guard echoed a stop grant, or no longer
                        // does
  static constexpr std::string_view kType = "lease_observed";
  Copy copy;
  bool armed = false;
};
struct LeaseRevoked {  // outcome of RevokeLease: from now on no grant is sent
  static constexpr std::string_view kType = "lease_revoked";
  ActionId action;
  Copy copy;
  bool armed = false;  // a stop grant had been echoed by an armed guard
  std::uint64_t echoed_sequence = 0;
  Duration lapse{};  // to wait from now: the longest that this host may still run
};
struct LeaseAsked {  // a guard asks for the lease that is withheld from its boot
  static constexpr std::string_view kType = "lease_asked";
  Copy copy;
};
struct ChannelChanged {
  static constexpr std::string_view kType = "channel_changed";
  std::string channel;
  bool alive = true;
  std::string detail;
};  // "mail", "sms"
// What the manager itself lives on comes to its end, or was renewed: then there are no words.
struct EndsSoon {
  static constexpr std::string_view kType = "ends_soon";
  std::string subject;  // "certificate", "crl"
  std::string words;    // what ends when, and what to do
};
struct Tick {
  static constexpr std::string_view kType = "tick";
};

// ---- From operators, beside those of access/request.h; each is answered by exactly one Answer ----
struct CreateVm {
  static constexpr std::string_view kType = "create_vm";
  Asked asked;
  VmSpec spec;
  bool start = true;
};  // spec.id is set by the caller
struct StartVmAsked {
  static constexpr std::string_view kType = "start_vm_asked";
  Asked asked;
  VmId vm;
};
struct StopVmAsked {
  static constexpr std::string_view kType = "stop_vm_asked";
  Asked asked;
  VmId vm;
  wire::StopHow how = wire::StopHow::shutdown;
  bool again = false;  // and then it is started again: a reboot
};
struct DeleteVm {
  static constexpr std::string_view kType = "delete_vm";
  Asked asked;
  VmId vm;
};
struct ChangeVolumesAsked {  // of a VM that runs or is stopped
  static constexpr std::string_view kType = "change_volumes_asked";
  Asked asked;
  VmId vm;
  wire::VolumeChange change;
};
struct ChangeVm {  // of a VM that is stopped; what is absent stays as it is
  static constexpr std::string_view kType = "change_vm";
  Asked asked;
  VmId vm;
  std::optional<std::string> name;  // in its tenant
  std::optional<std::uint32_t> memory_mib;
  std::optional<std::uint32_t> vcpus;
  std::optional<bool> keep;          // it can't be deleted; may be changed at any time
  std::optional<std::string> iso{};  // of its tenant's images, by name; empty: none is in the drive
};
struct OpenConsole {  // answered with nothing but that it may be
  static constexpr std::string_view kType = "open_console";
  Asked asked;
  VmId vm;
  wire::ConsoleKind kind = wire::ConsoleKind::serial;
  bool granted = false;    // its tenant lets somebody of the provider in: the host checks the grant
  std::string glass = {};  // or two of the provider's people do: the nonce of what they signed
};
struct CancelOperation {  // a start that is under way: what it is to start is stopped instead
  static constexpr std::string_view kType = "cancel_operation";
  Asked asked;
  RequestId operation;
};
struct ClearHost {
  static constexpr std::string_view kType = "clear_host";
  Asked asked;
  HostId host;
};  // end of the quarantine
struct InviteHost {
  static constexpr std::string_view kType = "invite_host";
  Asked asked;
  HostId host;
  std::string invitation;  // SHA-256 of the secret
};
struct EnrolHost {  // asked.by is the host
  static constexpr std::string_view kType = "enrol_host";
  Asked asked;
  HostId host;
  std::string invitation;            // SHA-256 of the secret that it gave
  std::vector<std::string> serials;  // of the certificates that it is to get: host, guard
};
struct RenewCertificates {  // asked.by is the host
  static constexpr std::string_view kType = "renew_certificates";
  Asked asked;
  HostId host;
  std::vector<std::string> serials;
  std::string present;  // serial of the certificate that it asked with
};
struct ExpelHost {
  static constexpr std::string_view kType = "expel_host";
  Asked asked;
  HostId host;
};
struct PowerHost {
  static constexpr std::string_view kType = "power_host";
  Asked asked;
  HostId host;
  bool on = true;
};  // refused while it runs VMs
struct DrillHost {
  static constexpr std::string_view kType = "drill_host";
  Asked asked;
  HostId host;
};  // commissioning: off by BMC must end this boot_id
struct AttestDown {
  static constexpr std::string_view kType = "attest_down";
  Asked asked;
  HostId host;
  std::string serial;
  BootId boot_id;
  std::optional<OperatorId> second;
};
struct PlanFailback {
  static constexpr std::string_view kType = "plan_failback";
  Asked asked;
  std::vector<VmId> vms;
};  // empty: all that are away
struct ApproveFailback {
  static constexpr std::string_view kType = "approve_failback";
  Asked asked;
  PlanId plan;
  std::string digest;
  WallTime not_before{};  // 0: at once
};
struct AbortFailback {
  static constexpr std::string_view kType = "abort_failback";
  Asked asked;
  PlanId plan;
};
struct TestNotices {
  static constexpr std::string_view kType = "test_notices";
  Asked asked;
};

using EventBody =
    std::variant<HostHello, HostHeartbeat, HostDomainChanged, HostFaultReported, HostVolumesSeen,
                 HostImageSeen, HostReplied, HostSessionClosed, PowerOffDone, PowerOnDone, BmcChecked,
                 LeaseObserved, LeaseRevoked, LeaseAsked, ChannelChanged, EndsSoon, Tick, CreateVm,
                 StartVmAsked, StopVmAsked, DeleteVm, ChangeVolumesAsked, ChangeVm, OpenConsole,
                 CancelOperation, ClearHost, InviteHost, EnrolHost, RenewCertificates, ExpelHost, PowerHost,
                 DrillHost, AttestDown, PlanFailback, ApproveFailback, AbortFailback, TestNotices,
                 CreateTenant, OpenAccess, EndAccess, AcceptDelivery, WishReturn, AnnounceImage,
                 RemoveImageAsked, SetRules, SetContacts, SetQuota, InviteUser, SetRole, ChangeUser,
                 RemoveUser, SetPassword, OpenSession, SetSecondFactor, CreateToken, EndToken, NoteAccess>;

struct Event {
  EventBody body;
  WallTime wall;  // annotates only
};

// ---- JSON ----

// An outcome as the error that it is, absent when done.
template <class V>
void outcome_field(V& v, Status& x) {
  std::optional<Error> error;
  if (!x) error = x.error();
  v.optional("error", error);
  if (error && x) x = failure(*error);
}
template <class V>
void fields(V& v, HostHello& x) {
  v("hello", x.hello);
}
template <class V>
void fields(V& v, HostHeartbeat& x) {
  v("from", x.from);
  v("heartbeat", x.heartbeat);
}
template <class V>
void fields(V& v, HostDomainChanged& x) {
  v("from", x.from);
  v("change", x.change);
}
template <class V>
void fields(V& v, HostFaultReported& x) {
  v("from", x.from);
  v("fault", x.fault);
}
template <class V>
void fields(V& v, HostImageSeen& x) {
  v("from", x.from);
  v("seen", x.seen);
}
template <class V>
void fields(V& v, HostVolumesSeen& x) {
  v("from", x.from);
  v("seen", x.seen);
}
template <class V>
void fields(V& v, HostReplied& x) {
  v("from", x.from);
  v("reply", x.reply);
}
template <class V>
void fields(V& v, HostSessionClosed& x) {
  v("from", x.from);
  v("why", x.why);
}
template <class V>
void fields(V& v, PowerOffDone& x) {
  v("action", x.action);
  v("host", x.host);
  outcome_field(v, x.outcome);
  v("bmc_guid", x.bmc_guid);
  v("reads_apart_ms", x.reads_apart);
}
template <class V>
void fields(V& v, PowerOnDone& x) {
  v("action", x.action);
  v("host", x.host);
  outcome_field(v, x.outcome);
}
template <class V>
void fields(V& v, BmcChecked& x) {
  v("host", x.host);
  outcome_field(v, x.outcome);
  v("bmc_guid", x.bmc_guid);
  v("power_on", x.power_on);
}
template <class V>
void fields(V& v, LeaseObserved& x) {
  v("copy", x.copy);
  v("armed", x.armed);
}
template <class V>
void fields(V& v, LeaseRevoked& x) {
  v("action", x.action);
  v("copy", x.copy);
  v("armed", x.armed);
  v("echoed_sequence", x.echoed_sequence);
  v("lapse_ms", x.lapse);
}
template <class V>
void fields(V& v, LeaseAsked& x) {
  v("copy", x.copy);
}
template <class V>
void fields(V& v, EndsSoon& x) {
  v("subject", x.subject);
  v.optional("words", x.words);
}
template <class V>
void fields(V& v, ChannelChanged& x) {
  v("channel", x.channel);
  v("alive", x.alive);
  v("detail", x.detail);
}
template <class V>
void fields(V&, Tick&) {}
template <class V>
void fields(V& v, CreateVm& x) {
  v("asked", x.asked);
  v("spec", x.spec);
  v("start", x.start);
}
template <class V>
void fields(V& v, StartVmAsked& x) {
  v("asked", x.asked);
  v("vm", x.vm);
}
template <class V>
void fields(V& v, StopVmAsked& x) {
  v("asked", x.asked);
  v("vm", x.vm);
  v("how", x.how);
  v.optional("again", x.again);
}
template <class V>
void fields(V& v, DeleteVm& x) {
  v("asked", x.asked);
  v("vm", x.vm);
}
template <class V>
void fields(V& v, ChangeVolumesAsked& x) {
  v("asked", x.asked);
  v("vm", x.vm);
  v("change", x.change);
}
template <class V>
void fields(V& v, ChangeVm& x) {
  v("asked", x.asked);
  v("vm", x.vm);
  v.optional("name", x.name);
  v.optional("memory_mib", x.memory_mib);
  v.optional("vcpus", x.vcpus);
  v.optional("keep", x.keep);
  v.optional("iso", x.iso);
}
template <class V>
void fields(V& v, OpenConsole& x) {
  v("asked", x.asked);
  v("vm", x.vm);
  v("kind", x.kind);
  v.optional("granted", x.granted);
  v.optional("glass", x.glass);
}
template <class V>
void fields(V& v, CancelOperation& x) {
  v("asked", x.asked);
  v("operation", x.operation);
}
template <class V>
void fields(V& v, ClearHost& x) {
  v("asked", x.asked);
  v("host", x.host);
}
template <class V>
void fields(V& v, InviteHost& x) {
  v("asked", x.asked);
  v("host", x.host);
  v("invitation", x.invitation);
}
template <class V>
void fields(V& v, EnrolHost& x) {
  v("asked", x.asked);
  v("host", x.host);
  v("invitation", x.invitation);
  v("serials", x.serials);
}
template <class V>
void fields(V& v, RenewCertificates& x) {
  v("asked", x.asked);
  v("host", x.host);
  v("serials", x.serials);
  v("present", x.present);
}
template <class V>
void fields(V& v, ExpelHost& x) {
  v("asked", x.asked);
  v("host", x.host);
}
template <class V>
void fields(V& v, PowerHost& x) {
  v("asked", x.asked);
  v("host", x.host);
  v("on", x.on);
}
template <class V>
void fields(V& v, DrillHost& x) {
  v("asked", x.asked);
  v("host", x.host);
}
template <class V>
void fields(V& v, AttestDown& x) {
  v("asked", x.asked);
  v("host", x.host);
  v("serial", x.serial);
  v("boot_id", x.boot_id);
  v.optional("second", x.second);
}
template <class V>
void fields(V& v, PlanFailback& x) {
  v("asked", x.asked);
  v("vms", x.vms);
}
template <class V>
void fields(V& v, ApproveFailback& x) {
  v("asked", x.asked);
  v("plan", x.plan);
  v("digest", x.digest);
  v.optional("not_before", x.not_before);
}
template <class V>
void fields(V& v, AbortFailback& x) {
  v("asked", x.asked);
  v("plan", x.plan);
}
template <class V>
void fields(V& v, TestNotices& x) {
  v("asked", x.asked);
}

}  // namespace bascule
