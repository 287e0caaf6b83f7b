#include "api/manager_config.h"

#include <algorithm>
#include <set>

#include "base/config_load.h"
#include "failover/access/roles.h"

namespace bascule::api {

namespace {

constexpr int kProbePort = 7446;
constexpr int kLeastJournal = 16;  // MiB
constexpr int kMostJournal = 1'000'000;
constexpr std::uint32_t kLeastValidity_s = 30;  // for tests; days, else

std::string at(const char* table, std::size_t index, std::string_view key) {
  return std::string(table) + "[" + std::to_string(index) + "]." + std::string(key);
}

// "key: what is wrong" of a part, as a problem of its own line.
void pass_on(const ConfigProblem& problem, const std::string& prefix, const std::string& text) {
  if (text.empty()) return;
  const std::size_t colon = text.find(": ");
  if (colon == std::string::npos) return problem(prefix, text);
  problem(prefix + text.substr(0, colon), text.substr(colon + 2));
}

void check_sites(const ManagerConfig& config, const ConfigProblem& problem) {
  std::set<SiteId> names;
  int primaries = 0;
  for (std::size_t i = 0; i < config.site.size(); ++i) {
    const SiteConfig& site = config.site[i];
    if (!is_valid_name(site.name.value)) problem(at("site", i, "name"), "is not a valid name");
    if (!names.insert(site.name).second) problem(at("site", i, "name"), "stands twice");
    if (site.primary && ++primaries > 1) problem(at("site", i, "primary"), "only one site can be primary");
  }
  if (config.site.empty()) problem("site", "at least one [[site]] is needed");
}

void check_hosts(const ManagerConfig& config, const ConfigProblem& problem) {
  std::set<SiteId> sites;
  for (const SiteConfig& site : config.site) sites.insert(site.name);
  std::set<HostId> names;
  for (std::size_t i = 0; i < config.host.size(); ++i) {
    const HostConfig& host = config.host[i];
    if (!is_valid_name(host.name.value)) problem(at("host", i, "name"), "is not a valid name");
    if (!names.insert(host.name).second) problem(at("host", i, "name"), "stands twice");
    if (!sites.contains(host.site))
      problem(at("host", i, "site"), "\"" + host.site.value + "\" is not the name of a [[site]]");
    if (host.address.empty()) problem(at("host", i, "address"), "must not be empty");
    if (host.bmc) pass_on(problem, at("host", i, "bmc."), problem_of(*host.bmc));
  }
  if (config.host.empty()) problem("host", "at least one [[host]] is needed");
}

void check_roles(const ManagerConfig& config, const ConfigProblem& problem) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < config.role.size(); ++i) {
    const RoleConfig& role = config.role[i];
    if (!is_valid_name(role.name)) problem(at("role", i, "name"), "is not a valid name");
    if (!names.insert(role.name).second) problem(at("role", i, "name"), "stands twice");
    for (const Permission permission : role.permissions)
      if (!may_be_in_staff_role(permission))
        problem(at("role", i, "permissions"), std::string(name_of(permission)) + " is for tenants' users");
  }
  for (std::size_t i = 0; i < config.staff.size(); ++i)
    for (const std::string& name : config.staff[i].own_roles)
      if (!names.contains(name))
        problem(at("staff", i, "own_roles"), "\"" + name + "\" is not the name of a [[role]]");
}

void check_staff(const ManagerConfig& config, const ConfigProblem& problem) {
  std::set<OperatorId> names;
  for (std::size_t i = 0; i < config.staff.size(); ++i) {
    const StaffConfig& person = config.staff[i];
    if (!is_valid_name(person.name.value)) problem(at("staff", i, "name"), "is not a valid name");
    if (!names.insert(person.name).second) problem(at("staff", i, "name"), "stands twice");
    if (person.roles.empty() && person.own_roles.empty())
      problem(at("staff", i, "roles"), "at least one role is needed");
  }
}

void check_journal(const JournalConfig& journal, const ConfigProblem& problem) {
  if (!journal.directory.empty() && !journal.directory.starts_with('/'))
    problem("journal.directory", "must be an absolute path");
  if (journal.max_mb != 0 && (journal.max_mb < kLeastJournal || journal.max_mb > kMostJournal))
    problem("journal.max_mb", "must be 16 to 1000000, or 0 for no journal");
}

}  // namespace

// Called by load_config() once all keys are known and of the right type.
void check_config(const ManagerConfig& config, const ConfigProblem& problem) {
  if (!is_valid_name(config.cluster.value)) problem("cluster", "is not a valid name");
  if (!config.state_dir.starts_with('/')) problem("state_dir", "must be an absolute path");
  check_sites(config, problem);
  check_hosts(config, problem);
  check_roles(config, problem);
  check_staff(config, problem);
  check_journal(config.journal, problem);
  if (config.authority && config.authority->validity_s < kLeastValidity_s)
    problem("authority.validity_s", "must be at least 30");
  if (config.cards)
    for (const std::string& text : problems_of(*config.cards)) pass_on(problem, "cards.", text);
  for (const std::string& text : problems_of(config.policy.policy)) pass_on(problem, "", text);
  if (config.offer)
    for (const std::string& text : problems_of(*config.offer)) pass_on(problem, "offer.", text);
  for (std::size_t i = 0; i < config.mail.size(); ++i)
    pass_on(problem, at("mail", i, ""), problem_of(config.mail[i]));
  for (std::size_t i = 0; i < config.sms.size(); ++i)
    pass_on(problem, at("sms", i, ""), problem_of(config.sms[i]));
}

Result<ManagerConfig> load_manager_config(const std::string& path) {
  return load_config<ManagerConfig>(path);
}

Inventory inventory_of(const ManagerConfig& config) {
  Inventory inventory;
  for (const SiteConfig& site : config.site) inventory.sites.push_back({site.name, site.primary});
  for (const HostConfig& host : config.host)
    inventory.hosts.push_back({host.name, host.site, host.bmc.has_value()});
  for (const StaffConfig& person : config.staff) {
    inventory.staff[person.name] = person.roles;
    for (const RoleConfig& role : config.role) {
      const auto& own = person.own_roles;
      if (std::find(own.begin(), own.end(), role.name) == own.end()) continue;
      auto& permissions = inventory.staff_own[person.name];
      permissions.insert(permissions.end(), role.permissions.begin(), role.permissions.end());
    }
  }
  return inventory;
}

std::vector<wire::PeerAddress> peers_of(const ManagerConfig& config) {
  std::vector<wire::PeerAddress> peers;
  for (const HostConfig& host : config.host) {
    const bool is_v6 = host.address.find(':') != std::string::npos;
    const std::string address = is_v6 ? "[" + host.address + "]" : host.address;
    peers.push_back({host.name, address + ":" + std::to_string(kProbePort)});
  }
  return peers;
}

}  // namespace bascule::api
