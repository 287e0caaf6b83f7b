#include "api/admission.h"

#include "failover/access/needs.h"

namespace bascule::api {
namespace {

std::optional<Error> why_staff_not_admitted(const State& state, const Route& route, const Principal& who,
                                            const Vm* vm) {
  if (!route.admits.staff)
    return Error{ErrorCode::denied, "that is for the users of tenants, through the portal"};
  return why_denied(state.directory, who, *route.admits.staff, vm ? scope_of(*vm) : Scope());
}

std::optional<Error> why_visitor_not_admitted(const State& state, const Route& route, const Principal& who,
                                              const Vm* vm) {
  using Visitors = Admission::Visitors;
  if (route.admits.visitors == Visitors::anyone) return std::nullopt;
  const TenantUser* user = signed_in(state.directory, who);
  if (!user) return Error{ErrorCode::unauthenticated, "sign in: POST /v1/sessions, or send an API token"};
  if (route.admits.visitors == Visitors::signed_in) return std::nullopt;
  const bool missing = route.reach == Reach::machine && !vm;
  if (!route.admits.tenant || missing) return Error{ErrorCode::not_found, "nothing of that name is yours"};
  return why_denied(state.directory, who, *route.admits.tenant,
                    vm ? scope_of(*vm) : Scope{user->tenant, false});
}

}  // namespace

std::optional<Error> why_not_admitted(const State& state, const Route& route, Door door, const Principal& who,
                                      const Vm* vm) {
  return door == Door::portal ? why_visitor_not_admitted(state, route, who, vm)
                              : why_staff_not_admitted(state, route, who, vm);
}

}  // namespace bascule::api
