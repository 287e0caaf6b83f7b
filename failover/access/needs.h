// Needs: what a request must be allowed to do, before anything of it is done.
#pragma once

#include <optional>
#include <string>

#include "failover/access/authorize.h"
#include "failover/event.h"
#include "failover/state.h"

namespace bascule {

struct Need {
  Permission permission;
  Scope scope;
  std::string subject;  // for the audit
};

Scope scope_of(const Vm& vm);
Scope scope_of(const State& state, const VmId& vm);  // one that doesn't exist: the provider's own

Need need_of(const State& state, const CreateVm& asked);
Need need_of(const State& state, const StartVmAsked& asked);
Need need_of(const State& state, const StopVmAsked& asked);
Need need_of(const State& state, const DeleteVm& asked);
Need need_of(const State& state, const ChangeVolumesAsked& asked);
Need need_of(const State& state, const ChangeVm& asked);
Need need_of(const State& state, const OpenConsole& asked);
Need need_of(const State& state, const CancelOperation& asked);
Need need_of(const State& state, const ClearHost& asked);
Need need_of(const State& state, const InviteHost& asked);
Need need_of(const State& state, const ExpelHost& asked);
Need need_of(const State& state, const PowerHost& asked);
Need need_of(const State& state, const DrillHost& asked);
Need need_of(const State& state, const AttestDown& asked);
Need need_of(const State& state, const PlanFailback& asked);
Need need_of(const State& state, const ApproveFailback& asked);
Need need_of(const State& state, const AbortFailback& asked);
Need need_of(const State& state, const TestNotices& asked);
Need need_of(const State& state, const CreateTenant& asked);
Need need_of(const State& state, const OpenAccess& asked);
Need need_of(const State& state, const EndAccess& asked);
Need need_of(const State& state, const AcceptDelivery& asked);
Need need_of(const State& state, const WishReturn& asked);
Need need_of(const State& state, const AnnounceImage& asked);
Need need_of(const State& state, const RemoveImageAsked& asked);
Need need_of(const State& state, const SetRules& asked);
Need need_of(const State& state, const SetContacts& asked);
Need need_of(const State& state, const SetQuota& asked);
Need need_of(const State& state, const InviteUser& asked);
Need need_of(const State& state, const SetRole& asked);
Need need_of(const State& state, const ChangeUser& asked);
Need need_of(const State& state, const RemoveUser& asked);
// EnrolHost and RenewCertificates are the hosts' own: enrolment.h says what each must prove. SetPassword,
// OpenSession, SetSecondFactor, CreateToken and EndToken are everybody's: users.h says what each must prove.

}  // namespace bascule
