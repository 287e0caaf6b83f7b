// Events: everything that can reach the engine.
#pragma once

#include <string>
#include <variant>

#include "base/id.h"
#include "base/model.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wire.h"
#include "failover/fencing.h"

namespace bascule {

// ---- From hosts (already authenticated: the certificate's CN is the host) ----
struct HostHello {
  wire::Hello hello;
};
struct HostHeartbeat {
  Copy from;
  wire::Heartbeat heartbeat;
};
struct HostDomainChanged {
  Copy from;
  wire::DomainChanged change;
};
struct HostFaultReported {
  Copy from;
  wire::HostFault fault;
};
struct HostReplied {
  Copy from;
  wire::CommandReply reply;
};
struct HostSessionClosed {
  Copy from;
  std::string why;
};

// ---- From our own parts ----
struct PowerOffDone {  // outcome of PowerOff: two reads `off`, reads_apart between them
  ActionId action;
  HostId host;
  Result<void> outcome;
  std::string bmc_guid;
  Duration reads_apart{};
};
struct PowerOnDone {
  ActionId action;
  HostId host;
  Result<void> outcome;
};
struct BmcChecked {  // outcome of CheckBmc
  HostId host;
  Result<void> outcome;
  std::string bmc_guid;
  bool power_on = false;
};
struct LeaseObserved {  // the lease plane's view changed: an armed guard echoed a stop grant, or no longer
                        // does
  Copy copy;
  bool armed = false;
};
struct LeaseRevoked {  // outcome of RevokeLease: from now on no grant is sent
  Copy copy;
  bool armed = false;  // a stop grant had been echoed by an armed guard
  std::uint64_t echoed_sequence = 0;
  Duration lapse{};  // to wait from now: the longest that this host may still run
};
struct ChannelChanged {
  std::string channel;
  bool alive = true;
  std::string detail;
};  // "mail", "sms"
struct Tick {};

// ---- From operators; each is answered by exactly one Answer ----
struct Asked {
  RequestId request;
  OperatorId by;
  std::string reason;
};
struct CreateVm {
  Asked asked;
  VmSpec spec;
  bool start = true;
};  // spec.id is set by the caller
struct StartVmAsked {
  Asked asked;
  VmId vm;
};
struct StopVmAsked {
  Asked asked;
  VmId vm;
  wire::StopHow how = wire::StopHow::shutdown;
};
struct DeleteVm {
  Asked asked;
  VmId vm;
};
struct ClearHost {
  Asked asked;
  HostId host;
};  // end of the quarantine
struct PowerHost {
  Asked asked;
  HostId host;
  bool on = true;
};  // refused while it runs VMs
struct DrillHost {
  Asked asked;
  HostId host;
};  // commissioning: off by BMC must end this boot_id
struct AttestDown {
  Asked asked;
  HostId host;
  std::string serial;
  BootId boot_id;
  std::optional<OperatorId> second;
};
struct PlanFailback {
  Asked asked;
  std::vector<VmId> vms;
};  // empty: all that are away
struct ApproveFailback {
  Asked asked;
  PlanId plan;
  std::string digest;
};
struct TestNotices {
  Asked asked;
};

using EventBody =
    std::variant<HostHello, HostHeartbeat, HostDomainChanged, HostFaultReported, HostReplied,
                 HostSessionClosed, PowerOffDone, PowerOnDone, BmcChecked, LeaseObserved, LeaseRevoked,
                 ChannelChanged, Tick, CreateVm, StartVmAsked, StopVmAsked, DeleteVm, ClearHost, PowerHost,
                 DrillHost, AttestDown, PlanFailback, ApproveFailback, TestNotices>;

struct Event {
  EventBody body;
  WallTime wall;  // annotates only
};

}  // namespace bascule
