// Directory: the people and tenants that State knows, and who is at work in whose scope now.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/time.h"
#include "base/wire_images.h"
#include "failover/access/permission.h"

namespace bascule {

// What a tenant asks of its users' sign-ins, beyond what everybody must do.
struct SignInRules {
  std::uint32_t password_length = 12;  // at least, in bytes
  bool second_factor = false;          // without one a session may only set one up
};
template <class V>
void fields(V& v, SignInRules& x) {
  v.optional("password_length", x.password_length);
  v.optional("second_factor", x.second_factor);
}

// What a tenant's machines may have together, whether they run or not.
struct Quota {
  std::uint64_t vms = 0;
  std::uint64_t memory_mib = 0;
  std::uint64_t vcpus = 0;
  std::uint64_t storage_mib = 0;
  bool operator==(const Quota&) const = default;
};
template <class V>
void fields(V& v, Quota& x) {
  v("vms", x.vms);
  v("memory_mib", x.memory_mib);
  v("vcpus", x.vcpus);
  v("storage_mib", x.storage_mib);
}

struct Tenant {
  int version = 1;
  TenantId id;  // a valid name
  WallTime created;
  SignInRules rules{};
  std::optional<Quota> quota{};                            // absent: its users make no machines themselves
  std::map<std::string, std::vector<Permission>> roles{};  // of its own
  std::vector<std::string> contacts{};                     // mail addresses: who is told what it must know
};
template <class V>
void fields(V& v, Tenant& x) {
  v("version", x.version);
  v("id", x.id);
  v("created", x.created);
  v.optional("rules", x.rules);
  v.optional("quota", x.quota);
  v.optional("roles", x.roles);
  v.optional("contacts", x.contacts);
}

// A time-based one-time password (RFC 6238: SHA-1, six digits, 30 s).
struct SecondFactor {
  std::string secret;                 // base32; empty: there is none
  std::uint64_t last_step = 0;        // of the last code that was used: none counts twice
  std::vector<std::string> recovery;  // SHA-256 of each recovery code that is left
};
template <class V>
void fields(V& v, SecondFactor& x) {
  v.optional("secret", x.secret);
  v.optional("last_step", x.last_step);
  v.optional("recovery", x.recovery);
}

// A person of a tenant. Signs in with a password, once they have set one by their invitation.
struct TenantUser {
  int version = 1;
  OperatorId id;  // "tenant/name", both valid names
  TenantId tenant;
  std::vector<TenantRole> roles;
  std::string password;      // Argon2id, in PHC form; empty: none is set
  std::string invitation;    // SHA-256 of the secret that sets one, in hexadecimal; empty: it was used
  bool by_provider = false;  // invited by one of its staff
  bool disabled = false;
  WallTime created;
  SecondFactor second{};
  std::vector<std::string> own_roles{};  // of its tenant's
};
template <class V>
void fields(V& v, TenantUser& x) {
  v("version", x.version);
  v("id", x.id);
  v("tenant", x.tenant);
  v("roles", x.roles);
  v.optional("password", x.password);
  v.optional("invitation", x.invitation);
  v.optional("by_provider", x.by_provider);
  v.optional("disabled", x.disabled);
  v("created", x.created);
  v.optional("second", x.second);
  v.optional("own_roles", x.own_roles);
}

// What lets a tenant's user in: a session, begun by signing in, or an API token. Only its hash is known here.
struct Token {
  int version = 1;
  TokenId id;
  OperatorId user;
  std::string name;                     // of an API token, by its user; empty: a session
  std::vector<Permission> permissions;  // of its user's, no more than these; empty: all
  WallTime created;
  WallTime expires;
};
template <class V>
void fields(V& v, Token& x) {
  v("version", x.version);
  v("id", x.id);
  v("user", x.user);
  v.optional("name", x.name);
  v.optional("permissions", x.permissions);
  v("created", x.created);
  v("expires", x.expires);
}

enum class AccessCategory { incident, maintenance, asked_by_tenant, security, legal };
constexpr auto enum_names(AccessCategory) {
  using C = AccessCategory;
  return std::array{EnumName<C>{C::incident, "incident"}, EnumName<C>{C::maintenance, "maintenance"},
                    EnumName<C>{C::asked_by_tenant, "asked_by_tenant"}, EnumName<C>{C::security, "security"},
                    EnumName<C>{C::legal, "legal"}};
}

// One person of the provider at work in one tenant's scope, with a reason and for a bounded time. Stored
// while it is open; afterwards the audit alone knows it.
struct AccessSession {
  int version = 1;
  AccessId id;
  OperatorId by;
  TenantId tenant;
  AccessCategory category = AccessCategory::incident;
  std::string reason;
  WallTime began;
  WallTime ends;  // for people; State::access_ends decides
  std::string ticket{};
};
template <class V>
void fields(V& v, AccessSession& x) {
  v("version", x.version);
  v("id", x.id);
  v("by", x.by);
  v("tenant", x.tenant);
  v("category", x.category);
  v("reason", x.reason);
  v("began", x.began);
  v("ends", x.ends);
  v.optional("ticket", x.ticket);
}

// What there was of access in a week: for the report of Monday.
struct AccessWeek {
  std::int64_t number = 0;                        // of the week, since 1970; 0: none yet
  std::map<std::string, std::uint32_t> sessions;  // by "alice for acme, maintenance"
  std::map<std::string, std::uint32_t> reasons;   // as given, but for case and spaces
  std::uint32_t refused = 0;
  std::uint32_t alerts = 0;
};
template <class V>
void fields(V& v, AccessWeek& x) {
  v("number", x.number);
  v.optional("sessions", x.sessions);
  v.optional("reasons", x.reasons);
  v.optional("refused", x.refused);
  v.optional("alerts", x.alerts);
}

// How often one person was refused, or what they looked at, within some minutes.
struct AccessWatch {
  Instant since;
  std::uint32_t count = 0;
  std::set<std::string> subjects;
  std::optional<Instant> told;  // that it was out of the ordinary
  bool noticed = false;         // by a notice too
};

// What a tenant brought to make machines of; see images.h.
enum class ImagePhase {
  announced,  // or what came was refused: it may be sent, again
  ready,
  removing,
};
constexpr auto enum_names(ImagePhase) {
  using P = ImagePhase;
  return std::array{EnumName<P>{P::announced, "announced"}, EnumName<P>{P::ready, "ready"},
                    EnumName<P>{P::removing, "removing"}};
}
struct TenantImage {
  int version = 1;
  ImageId id;
  TenantId tenant;
  std::string name;  // in its tenant
  wire::ImageKind kind = wire::ImageKind::disk;
  std::string pool;
  std::uint64_t bytes = 0;
  std::string sha256;
  ImagePhase phase = ImagePhase::announced;
  std::string problem{};         // of the last try to send or remove it
  std::uint64_t size_mib = 0;    // of a volume that it fits in; 0: not stored yet
  std::optional<SiteId> site{};  // whose host has stored it
  OperatorId by{};
  WallTime created{};
};
template <class V>
void fields(V& v, TenantImage& x) {
  v("version", x.version);
  v("id", x.id);
  v("tenant", x.tenant);
  v("name", x.name);
  v("kind", x.kind);
  v("pool", x.pool);
  v("bytes", x.bytes);
  v("sha256", x.sha256);
  v("phase", x.phase);
  v.optional("problem", x.problem);
  v.optional("size_mib", x.size_mib);
  v.optional("site", x.site);
  v.optional("by", x.by);
  v.optional("created", x.created);
}

struct Directory {
  std::map<OperatorId, std::vector<StaffRole>> staff;         // as configured: named accounts only
  std::map<OperatorId, std::vector<Permission>> staff_own{};  // what roles of the provider's own add to that
  std::map<TenantId, Tenant> tenants;
  std::map<AccessId, AccessSession> access;  // open ones
  std::map<OperatorId, TenantUser> users;
  std::map<TokenId, Token> tokens;
  std::map<ImageId, TenantImage> images{};
};
template <class V>
void fields(V& v, Directory& x) {
  v("staff", x.staff);
  v.optional("staff_own", x.staff_own);
  v("tenants", x.tenants);
  v("access", x.access);
  v.optional("users", x.users);
  v.optional("tokens", x.tokens);
  v.optional("images", x.images);
}

}  // namespace bascule
