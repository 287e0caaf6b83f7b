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

std::string roles_with(Permission permission) {
  std::string names;
  for (const auto& [role, name] : enum_names(StaffRole()))
    if (permissions_of(role).contains(permission)) names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

}  // namespace

const std::set<Permission>& permissions_of(StaffRole role) {
  using P = Permission;
  static const std::set<P> noc{P::see_fleet};
  static const std::set<P> administrator{P::see_fleet,       P::operate_hosts,  P::decide_failback,
                                         P::test_notices,    P::manage_tenants, P::see_access,
                                         P::open_access,     P::see_machines,   P::run_machines,
                                         P::change_machines, P::change_contents};
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

bool has_permission(const Directory& directory, const OperatorId& who, Permission permission) {
  const auto found = directory.staff.find(who);
  if (found == directory.staff.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](StaffRole role) { return permissions_of(role).contains(permission); });
}

const AccessSession* open_access_of(const Directory& directory, const OperatorId& who,
                                    const TenantId& tenant) {
  const auto found = std::find_if(directory.access.begin(), directory.access.end(), [&](const auto& entry) {
    return entry.second.by == who && entry.second.tenant == tenant;
  });
  return found == directory.access.end() ? nullptr : &found->second;
}

std::optional<Error> why_denied(const Directory& directory, const OperatorId& who, Permission permission,
                                const Scope& scope) {
  if (!directory.staff.contains(who))
    return Error{
        ErrorCode::denied,
        fmt::format("{} has no account here: add a [[staff]] of this name to manager.toml", who.value)};
  if (!has_permission(directory, who, permission))
    return Error{ErrorCode::denied, fmt::format("{} lacks the permission {}, which these roles have: {}",
                                                who.value, name_of(permission), roles_with(permission))};
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

std::string problem_of_reason(AccessCategory category, const std::string& reason) {
  std::set<std::string> words = words_of(reason);
  std::string spaced(name_of(category));
  std::replace(spaced.begin(), spaced.end(), '_', ' ');
  for (const std::string& word : words_of(spaced)) words.erase(word);
  if (words.size() >= kLeastWords) return "";
  return "must have at least three different words beside the category: the tenant reads it";
}

}  // namespace bascule
