// manager.toml as a type. What each key means stands in ARCHITECTURE.md, "Configuration keys".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/offer.h"
#include "base/config.h"
#include "base/fields.h"
#include "base/id.h"
#include "base/net/tls.h"
#include "base/result.h"
#include "base/wire.h"
#include "cluster/fence_agents.h"
#include "cluster/notify.h"
#include "cluster/notify_texts.h"
#include "failover/policy.h"
#include "failover/step.h"

namespace bascule::api {

struct ListenConfig {
  std::string address;
  std::uint16_t api_port = 7443;
  std::uint16_t host_port = 7444;
  std::uint16_t lease_port = 7445;
  std::uint16_t portal_port = 7447;  // 7446 is the hosts' probe port
  std::uint16_t stream_port = 7448;  // hosts' ends of consoles
  std::uint16_t join_port = 7449;    // hosts that were invited; open where there is an [authority]
};
template <class V>
void fields(V& v, ListenConfig& x) {
  v("address", x.address);
  v.optional("api_port", x.api_port);
  v.optional("host_port", x.host_port);
  v.optional("lease_port", x.lease_port);
  v.optional("portal_port", x.portal_port);
  v.optional("stream_port", x.stream_port);
  v.optional("join_port", x.join_port);
}

enum class Profile { standard, fast };
constexpr auto enum_names(Profile) {
  return std::array{EnumName<Profile>{Profile::standard, "default"},
                    EnumName<Profile>{Profile::fast, "fast"}};
}

struct PolicyConfig {
  Profile profile = Profile::standard;
  Policy policy;
};
template <class V>
void fields(V& v, PolicyConfig& x) {
  const Profile before = x.profile;
  v.optional("profile", x.profile);
  // The profile is where the other keys begin from.
  if (x.profile != before && x.profile == Profile::fast) x.policy = fast_profile();
  fields(v, x.policy);
}

struct SiteConfig {
  SiteId name;
  bool primary = false;
};
template <class V>
void fields(V& v, SiteConfig& x) {
  v("name", x.name);
  v.optional("primary", x.primary);
}

struct HostConfig {
  HostId name;
  SiteId site;
  std::string address;  // where its peers probe it
  std::optional<BmcConfig> bmc;
};
template <class V>
void fields(V& v, HostConfig& x) {
  v("name", x.name);
  v("site", x.site);
  v("address", x.address);
  v.optional("bmc", x.bmc);
}

// The internal authority, where it gives hosts their certificates itself.
struct AuthorityConfig {
  std::string certificate;
  std::string key;
  std::uint32_t validity_s = 30 * 24 * 3600;  // of what it gives; renewed after two thirds of it
};
template <class V>
void fields(V& v, AuthorityConfig& x) {
  v("certificate", x.certificate);
  v("key", x.key);
  v.optional("validity_s", x.validity_s);
}

// A role of the provider's own, beside those that everybody has.
struct RoleConfig {
  std::string name;
  std::vector<Permission> permissions;
};
template <class V>
void fields(V& v, RoleConfig& x) {
  v("name", x.name);
  v("permissions", x.permissions);
}

// A named person of the provider, by the common name in their certificate.
struct StaffConfig {
  OperatorId name;
  std::vector<StaffRole> roles;
  std::vector<std::string> own_roles{};  // names of [[role]]s
};
template <class V>
void fields(V& v, StaffConfig& x) {
  v("name", x.name);
  v("roles", x.roles);
  v.optional("own_roles", x.own_roles);
}

struct JournalConfig {
  std::string directory;  // empty: "journal" in state_dir
  int max_mb = 512;       // 0: no journal
};
template <class V>
void fields(V& v, JournalConfig& x) {
  v.optional("directory", x.directory);
  v.optional("max_mb", x.max_mb);
}

struct ManagerConfig {
  ClusterId cluster;
  std::string state_dir = "/var/lib/bascule";
  Language language = Language::en;
  ListenConfig listen;
  net::TlsFiles tls;
  std::optional<AuthorityConfig> authority;
  std::optional<net::CardRules>
      cards;  // absent: staff come with certificates of the internal CA, OU=operator
  PolicyConfig policy;
  JournalConfig journal;
  std::vector<SiteConfig> site;
  std::vector<HostConfig> host;
  std::vector<RoleConfig> role;
  std::vector<StaffConfig> staff;
  std::string pages;  // a folder of what the staff's browsers get at the API's port; empty: none
  std::vector<std::string>
      break_glass;  // files: public keys of those of whom two break the glass, as on hosts
  std::optional<Offer> offer;
  std::vector<MailRoute> mail;
  std::vector<SmsRoute> sms;
};
template <class V>
void fields(V& v, ManagerConfig& x) {
  v("cluster", x.cluster);
  v.optional("state_dir", x.state_dir);
  v.optional("language", x.language);
  v.optional("pages", x.pages);
  v("listen", x.listen);
  v("tls", x.tls);
  v.optional("authority", x.authority);
  v.optional("cards", x.cards);
  v.optional("policy", x.policy);
  v.optional("journal", x.journal);
  v("site", x.site);
  v("host", x.host);
  v.optional("role", x.role);
  v.optional("staff", x.staff);
  v.optional("break_glass", x.break_glass);
  v.optional("offer", x.offer);
  v.optional("mail", x.mail);
  v.optional("sms", x.sms);
}

// Every problem of the file at once, with its lines.
Result<ManagerConfig> load_manager_config(const std::string& path);

Inventory inventory_of(const ManagerConfig& config);
// "ip:port" of each host's probe responder.
std::vector<wire::PeerAddress> peers_of(const ManagerConfig& config);

}  // namespace bascule::api
