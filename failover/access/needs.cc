#include "failover/access/needs.h"

#include "failover/operator.h"

namespace bascule {
namespace {

using P = Permission;

std::string of_vm(const VmId& id) { return "vm/" + id.value; }
std::string of_host(const HostId& id) { return "host/" + id.value; }

// Larger volumes are resources; all else reaches what is stored in them.
P permission_for(const wire::VolumeChange& change) {
  return std::holds_alternative<wire::Grow>(change) ? P::change_machines : P::change_contents;
}

// Of nobody, where there is no such user: then it is nobody's to change.
TenantId tenant_of(const State& state, const OperatorId& user) {
  const auto found = state.directory.users.find(user);
  return found == state.directory.users.end() ? TenantId() : found->second.tenant;
}

}  // namespace

Scope scope_of(const Vm& vm) { return {vm.record.spec.tenant, vm.record.delivered}; }

Scope scope_of(const State& state, const VmId& vm) {
  const auto found = state.vms.find(vm);
  return found == state.vms.end() ? Scope() : scope_of(found->second);
}

Need need_of(const State&, const CreateVm& e) {
  return {P::change_machines, {e.spec.tenant, false}, of_vm(e.spec.id)};
}
Need need_of(const State& state, const StartVmAsked& e) {
  return {P::run_machines, scope_of(state, e.vm), of_vm(e.vm)};
}
Need need_of(const State& state, const StopVmAsked& e) {
  return {P::run_machines, scope_of(state, e.vm), of_vm(e.vm)};
}
Need need_of(const State& state, const DeleteVm& e) {
  return {P::change_contents, scope_of(state, e.vm), of_vm(e.vm)};
}
Need need_of(const State& state, const ChangeVolumesAsked& e) {
  Scope scope = scope_of(state, e.vm);
  const auto* back = std::get_if<wire::RollBack>(&e.change);
  scope.delivered = scope.delivered && !(back && back->grant);  // which its host checks
  return {permission_for(e.change), scope, of_vm(e.vm)};
}
Need need_of(const State& state, const ChangeVm& e) {
  return {P::change_machines, scope_of(state, e.vm), of_vm(e.vm)};
}
Need need_of(const State& state, const OpenConsole& e) {
  Scope scope = scope_of(state, e.vm);
  scope.delivered = scope.delivered && !e.granted && e.glass.empty();  // which its host checks
  return {P::use_console, scope, of_vm(e.vm)};
}
// What has ended is nobody's: whoever may run their own machines is told so.
Need need_of(const State& state, const CancelOperation& e) {
  const Vm* vm = vm_of_operation(state, e.operation);
  if (vm) return {P::run_machines, scope_of(*vm), of_vm(vm->record.spec.id)};
  const auto user = state.directory.users.find(e.asked.by);
  const TenantId own = user == state.directory.users.end() ? TenantId() : user->second.tenant;
  return {P::run_machines, {own, false}, "operation/" + e.operation.value};
}
Need need_of(const State&, const ClearHost& e) { return {P::operate_hosts, {}, of_host(e.host)}; }
Need need_of(const State&, const InviteHost& e) { return {P::operate_hosts, {}, of_host(e.host)}; }
Need need_of(const State&, const ExpelHost& e) { return {P::operate_hosts, {}, of_host(e.host)}; }
Need need_of(const State&, const PowerHost& e) { return {P::operate_hosts, {}, of_host(e.host)}; }
Need need_of(const State&, const DrillHost& e) { return {P::operate_hosts, {}, of_host(e.host)}; }
Need need_of(const State&, const AttestDown& e) { return {P::operate_hosts, {}, of_host(e.host)}; }
Need need_of(const State&, const PlanFailback&) { return {P::decide_failback, {}, "plan/new"}; }
Need need_of(const State&, const ApproveFailback& e) {
  return {P::decide_failback, {}, "plan/" + e.plan.value};
}
Need need_of(const State&, const AbortFailback& e) {
  return {P::decide_failback, {}, "plan/" + e.plan.value};
}
Need need_of(const State&, const TestNotices&) { return {P::test_notices, {}, "notices"}; }
Need need_of(const State&, const CreateTenant& e) {
  return {P::manage_tenants, {}, "tenant/" + e.tenant.value};
}
Need need_of(const State&, const OpenAccess& e) { return {P::open_access, {}, "tenant/" + e.tenant.value}; }
Need need_of(const State& state, const AcceptDelivery& e) {
  return {P::accept_delivery, scope_of(state, e.vm), of_vm(e.vm)};
}
Need need_of(const State& state, const WishReturn& e) {
  return {P::run_machines, scope_of(state, e.vm), of_vm(e.vm)};
}
Need need_of(const State&, const AnnounceImage& e) {
  return {P::change_machines, {e.image.tenant, false}, "image/" + e.image.id.value};
}
Need need_of(const State& state, const RemoveImageAsked& e) {
  const auto found = state.directory.images.find(e.image);
  const TenantId tenant = found == state.directory.images.end() ? TenantId() : found->second.tenant;
  return {P::change_machines, {tenant, false}, "image/" + e.image.value};
}
Need need_of(const State&, const SetRules& e) {
  return {P::manage_users, {e.tenant, false}, "tenant/" + e.tenant.value};
}
Need need_of(const State&, const SetContacts& e) {
  return {P::manage_users, {e.tenant, false}, "tenant/" + e.tenant.value};
}
Need need_of(const State&, const SetRole& e) {
  return {P::manage_users, {e.tenant, false}, "tenant/" + e.tenant.value};
}
Need need_of(const State&, const SetQuota& e) { return {P::manage_tenants, {}, "tenant/" + e.tenant.value}; }
Need need_of(const State&, const InviteUser& e) {
  const std::string subject = "user/" + e.tenant.value + "/" + e.name;
  if (e.asked.token.empty()) return {P::manage_tenants, {}, subject};
  return {P::manage_users, {e.tenant, false}, subject};
}
Need need_of(const State& state, const ChangeUser& e) {
  return {P::manage_users, {tenant_of(state, e.user), false}, "user/" + e.user.value};
}
Need need_of(const State& state, const RemoveUser& e) {
  return {P::manage_users, {tenant_of(state, e.user), false}, "user/" + e.user.value};
}
Need need_of(const State& state, const EndAccess& e) {
  const std::string subject = "access/" + e.access.value;
  if (e.asked.token.empty()) return {P::open_access, {}, subject};
  const auto found = state.directory.access.find(e.access);
  const bool open = found != state.directory.access.end();
  return {P::end_access, {open ? found->second.tenant : TenantId(), false}, subject};
}

}  // namespace bascule
