#include "failover/access/authorize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <sstream>

namespace bascule {
namespace {

constexpr std::size_t kLeastWords = 3;

std::string lower_letters(const std::string& word) {
  std::string plain;
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    // Beyond ASCII every byte counts as a letter: reasons are written in French too.
    if (byte >= 0x80 || std::isalnum(byte)) plain += static_cast<char>(std::tolower(byte));
  }
  return plain;
}

std::set<std::string> words_of(const std::string& text) {
  std::set<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;)
    if (std::string plain = lower_letters(word); !plain.empty()) words.insert(std::move(plain));
  return words;
}

template <class Role>
std::string roles_with(Permission permission) {
  std::string names;
  for (const auto& [role, name] : enum_names(Role()))
    if (permissions_of(role).contains(permission)) names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

template <class Role>
bool any_allows(const std::vector<Role>& roles, Permission permission) {
  return std::any_of(roles.begin(), roles.end(),
                     [&](Role role) { return permissions_of(role).contains(permission); });
}

bool own_role_allows(const Directory& directory, const TenantUser& user, Permission permission) {
  const auto tenant = directory.tenants.find(user.tenant);
  if (tenant == directory.tenants.end()) return false;
  return std::any_of(user.own_roles.begin(), user.own_roles.end(), [&](const std::string& name) {
    const auto role = tenant->second.roles.find(name);
    return role != tenant->second.roles.end() &&
           std::find(role->second.begin(), role->second.end(), permission) != role->second.end();
  });
}

std::optional<Error> why_user_denied(const Directory& directory, const Principal& who, Permission permission,
                                     const Scope& scope) {
  const TenantUser* user = signed_in(directory, who);
  if (!user) return Error{ErrorCode::unauthenticated, "this session or token has ended: sign in again"};
  if (!is_scoped(permission) || scope.tenant != user->tenant)
    return Error{ErrorCode::not_found, "nothing of that name is yours"};
  const auto& only = directory.tokens.at(who.token).permissions;
  if (!only.empty() && std::find(only.begin(), only.end(), permission) == only.end())
    return Error{ErrorCode::denied, fmt::format("this token doesn't have the permission {}: make another one",
                                                name_of(permission))};
  if (lacks_second_factor(directory, *user))
    return Error{ErrorCode::denied,
                 fmt::format("{} asks for a second factor: set one up first", user->tenant.value)};
  if (any_allows(user->roles, permission) || own_role_allows(directory, *user, permission))
    return std::nullopt;
  return Error{
      ErrorCode::denied,
      fmt::format("you lack the permission {}, which these roles have: {}; an owner of {} can give it",
                  name_of(permission), roles_with<TenantRole>(permission), user->tenant.value)};
}

}  // namespace

bool lacks_second_factor(const Directory& directory, const TenantUser& user) {
  const auto tenant = directory.tenants.find(user.tenant);
  return tenant != directory.tenants.end() && tenant->second.rules.second_factor &&
         user.second.secret.empty();
}

const TenantUser* signed_in(const Directory& directory, const Principal& who) {
  const auto user = directory.users.find(who.id);
  const auto token = directory.tokens.find(who.token);
  const bool known = user != directory.users.end() && token != directory.tokens.end();
  return known && token->second.user == who.id && !user->second.disabled ? &user->second : nullptr;
}

const std::set<Permission>& permissions_of(StaffRole role) {
  using P = Permission;
  static const std::set<P> noc{P::see_fleet};
  static const std::set<P> administrator{P::see_fleet,       P::operate_hosts,   P::decide_failback,
                                         P::test_notices,    P::manage_tenants,  P::see_access,
                                         P::open_access,     P::see_machines,    P::run_machines,
                                         P::change_machines, P::change_contents, P::use_console};
  static const std::set<P> overseer{P::see_fleet, P::see_access, P::read_audit};
  switch (role) {
    case StaffRole::noc:
      return noc;
    case StaffRole::administrator:
      return administrator;
    case StaffRole::security_officer:
    case StaffRole::auditor:
      break;
  }
  return overseer;
}

const std::set<Permission>& permissions_of(TenantRole role) {
  using P = Permission;
  static const std::set<P> viewer{P::see_machines, P::watch_access};
  static const std::set<P> operates{P::see_machines,    P::run_machines, P::change_machines,
                                    P::change_contents, P::use_console,  P::accept_delivery,
                                    P::watch_access,    P::end_access};
  static const std::set<P> auditor{P::watch_access, P::read_own_audit};
  static const std::set<P> owner{P::see_machines, P::run_machines,    P::change_machines, P::change_contents,
                                 P::use_console,  P::accept_delivery, P::manage_users,    P::watch_access,
                                 P::end_access,   P::read_own_audit};
  switch (role) {
    case TenantRole::owner:
      return owner;
    case TenantRole::operates:
      return operates;
    case TenantRole::viewer:
      return viewer;
    case TenantRole::auditor:
      break;
  }
  return auditor;
}

bool has_permission(const Directory& directory, const OperatorId& who, Permission permission) {
  const auto found = directory.staff.find(who);
  if (found == directory.staff.end()) return false;
  const auto own = directory.staff_own.find(who);
  const bool by_own = own != directory.staff_own.end() &&
                      std::find(own->second.begin(), own->second.end(), permission) != own->second.end();
  return by_own || any_allows(found->second, permission);
}

const AccessSession* open_access_of(const Directory& directory, const OperatorId& who,
                                    const TenantId& tenant) {
  const auto found = std::find_if(directory.access.begin(), directory.access.end(), [&](const auto& entry) {
    return entry.second.by == who && entry.second.tenant == tenant;
  });
  return found == directory.access.end() ? nullptr : &found->second;
}

std::optional<Error> why_denied(const Directory& directory, const Principal& principal, Permission permission,
                                const Scope& scope) {
  if (!principal.token.empty()) return why_user_denied(directory, principal, permission, scope);
  const OperatorId& who = principal.id;
  if (!directory.staff.contains(who))
    return Error{
        ErrorCode::denied,
        fmt::format("{} has no account here: add a [[staff]] of this name to manager.toml", who.value)};
  if (!has_permission(directory, who, permission))
    return Error{ErrorCode::denied,
                 fmt::format("{} lacks the permission {}, which these roles have: {}", who.value,
                             name_of(permission), roles_with<StaffRole>(permission))};
  if (scope.tenant.empty() || !is_scoped(permission)) return std::nullopt;
  if (is_interior(permission) && scope.delivered)
    return Error{ErrorCode::denied,
                 fmt::format("it is delivered to {}, who alone gets inside", scope.tenant.value)};
  if (open_access_of(directory, who, scope.tenant)) return std::nullopt;
  return Error{
      ErrorCode::reason_required,
      fmt::format("it belongs to {}: say why first, `bascule access open {} --category … --reason …`",
                  scope.tenant.value, scope.tenant.value)};
}

std::string problem_of_reason(const std::string& reason) {
  return words_of(reason).size() >= kLeastWords ? "" : "must have at least three different words";
}

std::string problem_of_reason(AccessCategory category, const std::string& reason) {
  std::set<std::string> words = words_of(reason);
  std::string spaced(name_of(category));
  std::replace(spaced.begin(), spaced.end(), '_', ' ');
  for (const std::string& word : words_of(spaced)) words.erase(word);
  if (words.size() >= kLeastWords) return "";
  return "must have at least three different words beside the category: the tenant reads it";
}

}  // namespace bascule
