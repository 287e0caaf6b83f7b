// Actions: everything that the engine can want done. Taken only after the step that asked for them was
// committed.
#pragma once

#include <array>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/id.h"
#include "base/model.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wire.h"
#include "failover/fencing.h"

namespace bascule {

// A command to a host; the manager completes the envelope (epoch, term, not_after from the host's clock).
struct SendCommand {
  ActionId action;
  Copy to;
  Generation generation;
  std::variant<wire::StartVm, wire::StopVm, wire::ForbidVm, wire::ForgetVm, wire::FollowVolumes,
               wire::ChangeVolumes>
      order;
};
struct PowerOff {
  ActionId action;
  HostId host;
};  // hard off, two reads; answered by PowerOffDone
struct PowerOn {
  ActionId action;
  HostId host;
};
struct CheckBmc {
  HostId host;
};
// These, and only these, carry storage that is soon back.
struct KeepStorage {
  std::vector<HostId> hosts;
};
struct RevokeLease {
  ActionId action;
  Copy copy;
  bool declared_lost = true;  // false: withheld while that is in doubt, the guard keeps what it holds
  Instant decided{};          // a guard that was granted a lease since lives: nothing is withheld from it
};                            // answered by LeaseRevoked

enum class NoticeKind {
  host_lost,  // detection: sent before fencing ends
  site_lost,
  fencing_held,       // a person is needed: attest-down
  host_doubted,       // silent, but a peer sees it, or we hear nobody, or the brake holds: nothing is decided
  vms_switched,       // digest of an incident
  vms_switched_loss,  // the same, and some of the last data is lost
  vm_failed,
  vm_restarted,   // in place, or where it had to wait for its storage
  host_returned,  // quarantined
  device_policy,
  host_fault,
  fencing_not_ready,
  channel_dead,
  ends_soon,      // the manager's certificate, or the list of revoked cards
  copies_behind,  // the other site's copy of a volume doesn't follow
  failback_done,
  failback_refused,
  out_of_band,
  evidence_contradicted,
  access_alert,   // somebody was refused, or looked, more often than is usual
  access_report,  // of the week
  glass_broken,   // the provider goes inside a machine without its tenant
  test,
};
constexpr auto enum_names(NoticeKind) {
  using N = NoticeKind;
  return std::array{EnumName<N>{N::host_lost, "host_lost"},
                    EnumName<N>{N::site_lost, "site_lost"},
                    EnumName<N>{N::fencing_held, "fencing_held"},
                    EnumName<N>{N::host_doubted, "host_doubted"},
                    EnumName<N>{N::vms_switched, "vms_switched"},
                    EnumName<N>{N::vms_switched_loss, "vms_switched_loss"},
                    EnumName<N>{N::vm_failed, "vm_failed"},
                    EnumName<N>{N::vm_restarted, "vm_restarted"},
                    EnumName<N>{N::host_returned, "host_returned"},
                    EnumName<N>{N::device_policy, "device_policy"},
                    EnumName<N>{N::host_fault, "host_fault"},
                    EnumName<N>{N::fencing_not_ready, "fencing_not_ready"},
                    EnumName<N>{N::channel_dead, "channel_dead"},
                    EnumName<N>{N::ends_soon, "ends_soon"},
                    EnumName<N>{N::copies_behind, "copies_behind"},
                    EnumName<N>{N::failback_done, "failback_done"},
                    EnumName<N>{N::failback_refused, "failback_refused"},
                    EnumName<N>{N::out_of_band, "out_of_band"},
                    EnumName<N>{N::evidence_contradicted, "evidence_contradicted"},
                    EnumName<N>{N::access_alert, "access_alert"},
                    EnumName<N>{N::access_report, "access_report"},
                    EnumName<N>{N::glass_broken, "glass_broken"},
                    EnumName<N>{N::test, "test"}};
}

// Tell operations, by mail and SMS. Stored in the outbox in the same transaction as the step.
// Facts by name: host, site, vms (comma-separated names, at most 10), n (number of VMs), detail, lost ("4.2
// s"), mail (who else is to know, by mail alone: addresses, comma-separated).
struct Notify {
  NoticeKind kind = NoticeKind::test;
  std::optional<IncidentId> incident;
  std::map<std::string, std::string> facts;
};

// The one answer to a request. `subject` is the id of what was made or changed ("<vm id>", "<plan id>").
struct Answer {
  RequestId request;
  std::optional<Error> error;
  std::string subject;
};

using Action =
    std::variant<SendCommand, PowerOff, PowerOn, CheckBmc, RevokeLease, KeepStorage, Notify, Answer>;

}  // namespace bascule
