// What is asked by people and about people: the requests of access/people.h and access/users.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "failover/access/directory.h"

namespace bascule {

// What every request carries; each is answered by exactly one Answer.
struct Asked {
  RequestId request;
  OperatorId by;
  std::string reason;
  TokenId token{};         // that let a tenant's user in; empty: one of the provider's staff
  std::string digest{};    // SHA-256 of all that was asked, where the outcome is kept: cluster/request_log.h
  std::string settings{};  // settings_tag() of the machine as the asker last saw it
};
template <class V>
void fields(V& v, Asked& x) {
  v("request", x.request);
  v("by", x.by);
  v("reason", x.reason);
  v.optional("token", x.token);
  v.optional("digest", x.digest);
  v.optional("settings", x.settings);
}

// ---- Tenants, and the provider's people at work for them ----
struct CreateTenant {
  static constexpr std::string_view kType = "create_tenant";
  Asked asked;
  TenantId tenant;
};
struct OpenAccess {  // asked.reason is what the tenant reads
  static constexpr std::string_view kType = "open_access";
  Asked asked;
  TenantId tenant;
  AccessCategory category = AccessCategory::incident;
  Duration length{};
  std::string ticket{};  // of the provider's own system, such as "INC-4711"; may be empty
};
struct EndAccess {
  static constexpr std::string_view kType = "end_access";
  Asked asked;
  AccessId access;
};
// ---- By and about the users of tenants: see access/users.h ----
struct AcceptDelivery {
  static constexpr std::string_view kType = "accept_delivery";
  Asked asked;
  VmId vm;
};
struct WishReturn {  // of a machine that is away
  static constexpr std::string_view kType = "wish_return";
  Asked asked;
  VmId vm;
  WallTime not_before;  // in the past: at any time
};
struct SetRules {  // of a tenant, for its users
  static constexpr std::string_view kType = "set_rules";
  Asked asked;
  TenantId tenant;
  SignInRules rules;
};
struct AnnounceImage {  // its users will send it: see images.h
  static constexpr std::string_view kType = "announce_image";
  Asked asked;
  TenantImage image;
};
struct RemoveImageAsked {
  static constexpr std::string_view kType = "remove_image_asked";
  Asked asked;
  ImageId image;
};
struct SetContacts {
  static constexpr std::string_view kType = "set_contacts";
  Asked asked;
  TenantId tenant;
  std::vector<std::string> contacts;  // mail addresses
};
struct SetQuota {
  static constexpr std::string_view kType = "set_quota";
  Asked asked;
  TenantId tenant;
  Quota quota;
};
struct InviteUser {
  static constexpr std::string_view kType = "invite_user";
  Asked asked;
  TenantId tenant;
  std::string name;
  std::vector<TenantRole> roles;
  std::string invitation;  // SHA-256 of the secret
  std::vector<std::string> own_roles{};
};
struct ChangeUser {
  static constexpr std::string_view kType = "change_user";
  Asked asked;
  OperatorId user;
  std::vector<TenantRole> roles;
  bool disabled = false;
  std::vector<std::string> own_roles{};
};
struct SetRole {  // of a tenant's own; without permissions it is removed
  static constexpr std::string_view kType = "set_role";
  Asked asked;
  TenantId tenant;
  std::string name;
  std::vector<Permission> permissions;
};
struct RemoveUser {
  static constexpr std::string_view kType = "remove_user";
  Asked asked;
  OperatorId user;
};
struct SetPassword {
  static constexpr std::string_view kType = "set_password";
  Asked asked;             // by the user; without a token when they were invited
  std::string invitation;  // SHA-256 of the secret that they gave; or, from a session:
  std::string previous;    // as stored, that the password which they gave was checked against
  std::string password;    // Argon2id, in PHC form
};
struct OpenSession {
  static constexpr std::string_view kType = "open_session";
  Asked asked;             // by the user, without a token
  std::string password;    // as stored, that what they gave was checked against
  std::uint64_t step = 0;  // of the second factor that they gave; or:
  std::string recovery;    // SHA-256 of the recovery code that they gave instead
  TokenId token;
  std::int64_t length_ms = 0;
};
struct SetSecondFactor {
  static constexpr std::string_view kType = "set_second_factor";
  Asked asked;
  std::string secret;                 // base32; empty: none from now on
  std::uint64_t step = 0;             // of the code that proved that they have it
  std::vector<std::string> recovery;  // SHA-256 of each recovery code
  std::uint64_t before_step = 0;      // of the second factor before, where there is one; or:
  std::string before_recovery;        // SHA-256 of a recovery code of it
};
struct CreateToken {
  static constexpr std::string_view kType = "create_token";
  Asked asked;
  TokenId token;
  std::string name;
  std::vector<Permission> permissions;
  std::int64_t length_ms = 0;
};
struct EndToken {
  static constexpr std::string_view kType = "end_token";
  Asked asked;
  std::string token;  // its id, or the first 12 digits or more
};
struct NoteAccess {  // something was looked at, or refused before it became an event
  static constexpr std::string_view kType = "note_access";
  Asked asked;
  std::string what;  // "GET /v1/vms/{id}"
  std::string subject;
  std::string refused;  // why; empty: it is shown once this is stored
};

template <class V>
void fields(V& v, CreateTenant& x) {
  v("asked", x.asked);
  v("tenant", x.tenant);
}
template <class V>
void fields(V& v, OpenAccess& x) {
  v("asked", x.asked);
  v("tenant", x.tenant);
  v("category", x.category);
  v("length_ms", x.length);
  v.optional("ticket", x.ticket);
}
template <class V>
void fields(V& v, EndAccess& x) {
  v("asked", x.asked);
  v("access", x.access);
}
template <class V>
void fields(V& v, AcceptDelivery& x) {
  v("asked", x.asked);
  v("vm", x.vm);
}
template <class V>
void fields(V& v, WishReturn& x) {
  v("asked", x.asked);
  v("vm", x.vm);
  v("not_before", x.not_before);
}
template <class V>
void fields(V& v, SetRules& x) {
  v("asked", x.asked);
  v("tenant", x.tenant);
  v("rules", x.rules);
}
template <class V>
void fields(V& v, AnnounceImage& x) {
  v("asked", x.asked);
  v("image", x.image);
}
template <class V>
void fields(V& v, RemoveImageAsked& x) {
  v("asked", x.asked);
  v("image", x.image);
}
template <class V>
void fields(V& v, SetContacts& x) {
  v("asked", x.asked);
  v("tenant", x.tenant);
  v("contacts", x.contacts);
}
template <class V>
void fields(V& v, SetQuota& x) {
  v("asked", x.asked);
  v("tenant", x.tenant);
  v("quota", x.quota);
}
template <class V>
void fields(V& v, InviteUser& x) {
  v("asked", x.asked);
  v("tenant", x.tenant);
  v("name", x.name);
  v("roles", x.roles);
  v("invitation", x.invitation);
  v.optional("own_roles", x.own_roles);
}
template <class V>
void fields(V& v, SetRole& x) {
  v("asked", x.asked);
  v("tenant", x.tenant);
  v("name", x.name);
  v("permissions", x.permissions);
}
template <class V>
void fields(V& v, ChangeUser& x) {
  v("asked", x.asked);
  v("user", x.user);
  v("roles", x.roles);
  v("disabled", x.disabled);
  v.optional("own_roles", x.own_roles);
}
template <class V>
void fields(V& v, RemoveUser& x) {
  v("asked", x.asked);
  v("user", x.user);
}
template <class V>
void fields(V& v, SetPassword& x) {
  v("asked", x.asked);
  v.optional("invitation", x.invitation);
  v.optional("previous", x.previous);
  v("password", x.password);
}
template <class V>
void fields(V& v, OpenSession& x) {
  v("asked", x.asked);
  v("password", x.password);
  v.optional("step", x.step);
  v.optional("recovery", x.recovery);
  v("token", x.token);
  v("length_ms", x.length_ms);
}
template <class V>
void fields(V& v, SetSecondFactor& x) {
  v("asked", x.asked);
  v.optional("secret", x.secret);
  v.optional("step", x.step);
  v.optional("recovery", x.recovery);
  v.optional("before_step", x.before_step);
  v.optional("before_recovery", x.before_recovery);
}
template <class V>
void fields(V& v, CreateToken& x) {
  v("asked", x.asked);
  v("token", x.token);
  v("name", x.name);
  v.optional("permissions", x.permissions);
  v("length_ms", x.length_ms);
}
template <class V>
void fields(V& v, EndToken& x) {
  v("asked", x.asked);
  v("token", x.token);
}
template <class V>
void fields(V& v, NoteAccess& x) {
  v("asked", x.asked);
  v("what", x.what);
  v("subject", x.subject);
  v("refused", x.refused);
}

}  // namespace bascule
