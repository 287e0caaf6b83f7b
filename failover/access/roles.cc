#include "failover/access/roles.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace bascule {
namespace {

constexpr std::size_t kMostRoles = 50;  // of one tenant

bool is_taken(const std::string& name) {
  const auto names = enum_names(TenantRole());
  return std::any_of(names.begin(), names.end(), [&](const auto& each) { return each.name == name; });
}

std::size_t holders_of(const Directory& directory, const TenantId& tenant, const std::string& role) {
  return static_cast<std::size_t>(
      std::count_if(directory.users.begin(), directory.users.end(), [&](const auto& entry) {
        const auto& own = entry.second.own_roles;
        return entry.second.tenant == tenant && std::find(own.begin(), own.end(), role) != own.end();
      }));
}

// Empty when it may be set.
Error problem_of(const Directory& directory, const Tenant& tenant, const SetRole& asked) {
  const bool removes = asked.permissions.empty();
  const bool known = tenant.roles.contains(asked.name);
  if (!is_valid_name(asked.name))
    return {ErrorCode::invalid, "name: must be letters, digits, '-', '_' and '.'"};
  if (is_taken(asked.name)) return {ErrorCode::conflict, asked.name + " is a role that everybody has"};
  if (removes && !known) return {ErrorCode::not_found, "there is no role " + asked.name};
  if (const auto n = holders_of(directory, tenant.id, asked.name); removes && n > 0)
    return {ErrorCode::conflict, fmt::format("{} users have this role: change them first", n)};
  if (!known && tenant.roles.size() >= kMostRoles)
    return {ErrorCode::exhausted, "there are 50 roles already"};
  for (const Permission permission : asked.permissions)
    if (!may_be_in_own_role(permission))
      return {ErrorCode::invalid,
              fmt::format("permissions: {} can't be in a role of your own", name_of(permission))};
  return {ErrorCode::invalid, ""};
}

}  // namespace

void set_role(Turn& turn, const SetRole& asked) {
  const std::string subject = "tenant/" + asked.tenant.value;
  const auto found = turn.state.directory.tenants.find(asked.tenant);
  if (found == turn.state.directory.tenants.end())
    return turn.refuse(asked.asked, "set_role", subject,
                       {ErrorCode::not_found, "no tenant " + asked.tenant.value});
  Tenant& tenant = found->second;
  if (Error problem = problem_of(turn.state.directory, tenant, asked); !problem.message.empty())
    return turn.refuse(asked.asked, "set_role", subject, std::move(problem));
  const std::set<Permission> distinct(asked.permissions.begin(), asked.permissions.end());
  std::string names;
  for (const Permission permission : distinct)
    names += (names.empty() ? "" : ", ") + std::string(name_of(permission));
  if (asked.permissions.empty())
    tenant.roles.erase(asked.name);
  else
    tenant.roles[asked.name] = {distinct.begin(), distinct.end()};
  turn.touch(tenant);
  turn.log(asked.asked, asked.permissions.empty() ? "remove_role" : "set_role", subject, Reason::requested,
           "", {{"role", asked.name}, {"permissions", names}});
  turn.answer(asked.asked.request, asked.name);
}

std::string problem_of_own_roles(const Directory& directory, const TenantId& tenant,
                                 const std::vector<std::string>& names) {
  const auto found = directory.tenants.find(tenant);
  for (const std::string& name : names)
    if (found == directory.tenants.end() || !found->second.roles.contains(name))
      return "own_roles: there is no role " + name + "; `bascule role list` shows all";
  return "";
}

bool may_be_in_own_role(Permission permission) {
  return is_scoped(permission) && permission != Permission::manage_users;
}

bool may_be_in_staff_role(Permission permission) { return permission <= Permission::use_console; }

}  // namespace bascule
