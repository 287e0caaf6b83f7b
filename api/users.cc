// /v1/users: the people of a tenant, by its owners; and the first of them, by the provider's staff.
#include "api/body.h"
#include "api/password.h"
#include "api/routes.h"
#include "base/sha256.h"

namespace bascule::api {
namespace {

struct UserView {
  std::string name;
  std::vector<TenantRole> roles;
  std::vector<std::string> own_roles;
  bool disabled = false;
  bool invited = false;  // has set no password yet
  bool second_factor = false;
  WallTime created;
};
template <class V>
void fields(V& v, UserView& x) {
  v("name", x.name);
  v("roles", x.roles);
  v("own_roles", x.own_roles);
  v("disabled", x.disabled);
  v("invited", x.invited);
  v("second_factor", x.second_factor);
  v("created", x.created);
}

struct InviteBody {
  std::string name;
  std::vector<TenantRole> roles;
  std::vector<std::string> own_roles;
  std::string reason;
};
template <class V>
void fields(V& v, InviteBody& x) {
  v("name", x.name);
  v.optional("roles", x.roles);
  v.optional("own_roles", x.own_roles);
  v.optional("reason", x.reason);
}

struct Invitation {
  OperatorId user;
  std::string invitation;  // shown this once
};
template <class V>
void fields(V& v, Invitation& x) {
  v("user", x.user);
  v("invitation", x.invitation);
}

struct RolesBody {
  std::vector<TenantRole> roles;
  std::vector<std::string> own_roles;
  bool disabled = false;
  std::string reason;
};
template <class V>
void fields(V& v, RolesBody& x) {
  v.optional("roles", x.roles);
  v.optional("own_roles", x.own_roles);
  v.optional("disabled", x.disabled);
  v.optional("reason", x.reason);
}

struct RulesBody {
  SignInRules rules;
};
template <class V>
void fields(V& v, RulesBody& x) {
  fields(v, x.rules);
}

struct Contacts {
  std::vector<std::string> contacts;  // mail addresses
};
template <class V>
void fields(V& v, Contacts& x) {
  v("contacts", x.contacts);
}

OperatorId user_of(const Call& call) { return OperatorId(call.tenant.value + "/" + call.path.at("id")); }

void list_users(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const auto& users = snapshot->state.directory.users;
  const std::string prefix = call.tenant.value + "/";
  std::vector<UserView> all;
  for (auto each = users.lower_bound(OperatorId(prefix)); each != users.end(); ++each) {
    const TenantUser& user = each->second;
    if (user.tenant != call.tenant) break;
    all.push_back({user.id.value.substr(prefix.size()), user.roles, user.own_roles, user.disabled,
                   user.password.empty(), !user.second.secret.empty(), user.created});
  }
  answer_page(call, std::move(all), [](const UserView& user) { return user.name; });
}

void invite(Api& api, Call call, const TenantId& tenant) {
  const auto body = body_of<InviteBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  const Secret secret = api.new_secret();
  InviteUser event{call.asked(body->reason),    tenant,         body->name, body->roles,
                   sha256_hex(secret.reveal()), body->own_roles};
  const Invitation view{OperatorId(tenant.value + "/" + body->name), secret.reveal()};
  api.submit(std::move(call), std::move(event),
             [view](const Call& done, const Answer&) { done.answer(201, json::encode_text(view)); });
}

void invite_user(Api& api, Call call) {
  const TenantId tenant = call.tenant;
  invite(api, std::move(call), tenant);
}

void invite_owner(Api& api, Call call) {
  const TenantId tenant(call.path.at("id"));
  invite(api, std::move(call), tenant);
}

void change_user(Api& api, Call call) {
  const auto body = body_of<RolesBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  ChangeUser event{call.asked(body->reason), user_of(call), body->roles, body->disabled, body->own_roles};
  api.change(std::move(call), "change_user", std::move(event));
}

void remove_user(Api& api, Call call) {
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  RemoveUser event{call.asked(body->reason), user_of(call)};
  api.change(std::move(call), "remove_user", std::move(event));
}

void set_rules(Api& api, Call call) {
  const auto body = body_of<RulesBody>(call);
  if (!body) return;
  SetRules event{call.asked(""), call.tenant, body->rules};
  api.change(std::move(call), "set_rules", std::move(event));
}

void show_contacts(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const auto tenant = snapshot->state.directory.tenants.find(call.tenant);
  Contacts view;
  if (tenant != snapshot->state.directory.tenants.end()) view.contacts = tenant->second.contacts;
  call.answer(200, json::encode_text(view));
}

void set_contacts(Api& api, Call call) {
  const auto body = body_of<Contacts>(call);
  if (!body) return;
  SetContacts event{call.asked(""), call.tenant, body->contacts};
  api.change(std::move(call), "set_contacts", std::move(event));
}

}  // namespace

std::vector<Route> user_routes() {
  using P = Permission;
  return {
      {"GET",
       "/v1/users",
       for_tenants(P::manage_users),
       Reach::fleet,
       list_users,
       {"list_users", "The people of your tenant", nullptr, gives<List<UserView>>, 200, page_queries()}},
      {"POST",
       "/v1/users",
       for_tenants(P::manage_users),
       Reach::fleet,
       invite_user,
       {"invite_user",
        "Invite somebody; the secret is shown once",
        takes<InviteBody>,
        gives<Invitation>,
        201,
        {},
        {409}}},
      {"PUT",
       "/v1/users/{id}",
       for_tenants(P::manage_users),
       Reach::fleet,
       change_user,
       {"change_user", "Their roles, or shut out", takes<RolesBody>, gives<OperationView>, 200, {}, {409}}},
      {"DELETE",
       "/v1/users/{id}",
       for_tenants(P::manage_users),
       Reach::fleet,
       remove_user,
       {"remove_user", "Remove somebody", takes<ReasonBody>, gives<OperationView>, 200, {}, {409}}},
      {"PUT",
       "/v1/rules",
       for_tenants(P::manage_users),
       Reach::fleet,
       set_rules,
       {"set_rules", "What is asked of everybody's sign-in", takes<RulesBody>, gives<OperationView>}},
      {"GET",
       "/v1/contacts",
       for_tenants(P::manage_users),
       Reach::fleet,
       show_contacts,
       {"show_contacts", "Who is told by mail what your tenant must know", nullptr, gives<Contacts>}},
      {"PUT",
       "/v1/contacts",
       for_tenants(P::manage_users),
       Reach::fleet,
       set_contacts,
       {"set_contacts", "Who that is, eight addresses at most", takes<Contacts>, gives<OperationView>}},
      {"POST", "/v1/tenants/{id}/users", for_staff(P::manage_tenants), Reach::fleet, invite_owner}};
}

}  // namespace bascule::api
