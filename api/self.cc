// /v1/me and /v1/tokens: a tenant's user about themselves.
#include <algorithm>

#include "api/body.h"
#include "api/password.h"
#include "api/routes.h"
#include "api/second_factor.h"
#include "api/sign_in.h"
#include "base/sha256.h"

namespace bascule::api {
namespace {

constexpr std::int64_t kDay_ms = 24LL * 3600 * 1000;
constexpr std::size_t kShownDigits = 12;  // of a token's id

struct SelfView {
  OperatorId user;
  TenantId tenant;
  std::vector<TenantRole> roles;
  std::vector<std::string> own_roles;   // of the tenant's
  std::vector<Permission> permissions;  // with this session or token
  bool second_factor = false;
  std::size_t recovery_codes = 0;  // that are left
  SignInRules rules;
};
template <class V>
void fields(V& v, SelfView& x) {
  v("user", x.user);
  v("tenant", x.tenant);
  v("roles", x.roles);
  v("own_roles", x.own_roles);
  v("permissions", x.permissions);
  v("second_factor", x.second_factor);
  v("recovery_codes", x.recovery_codes);
  v("rules", x.rules);
}

struct TokenView {
  std::string id;
  std::string name;  // empty: a session
  bool current = false;
  std::vector<Permission> permissions;
  WallTime created;
  WallTime expires;
  std::optional<WallTime> last_use;  // since the manager was started
};
template <class V>
void fields(V& v, TokenView& x) {
  v("id", x.id);
  v.optional("name", x.name);
  v("current", x.current);
  v.optional("permissions", x.permissions);
  v("created", x.created);
  v("expires", x.expires);
  v.optional("last_use", x.last_use);
}

struct TokenBody {
  std::string name;
  std::vector<Permission> permissions;
  std::uint32_t days = 90;
};
template <class V>
void fields(V& v, TokenBody& x) {
  v("name", x.name);
  v.optional("permissions", x.permissions);
  v.optional("days", x.days);
}

struct NewToken {
  std::string id;
  std::string token;  // shown this once
  WallTime expires;
};
template <class V>
void fields(V& v, NewToken& x) {
  v("id", x.id);
  v("token", x.token);
  v("expires", x.expires);
}

struct ChangeBody {
  std::string password;
  std::string new_password;
};
template <class V>
void fields(V& v, ChangeBody& x) {
  v("password", x.password);
  v("new_password", x.new_password);
}

struct FactorOffer {
  std::string secret;
  std::string uri;
};
template <class V>
void fields(V& v, FactorOffer& x) {
  v("secret", x.secret);
  v("uri", x.uri);
}

struct FactorBody {
  std::string secret;
  std::string code;    // of this secret
  std::string before;  // of the second factor before, where there is one; or a recovery code of it
};
template <class V>
void fields(V& v, FactorBody& x) {
  v("secret", x.secret);
  v("code", x.code);
  v.optional("before", x.before);
}

struct CodeBody {
  std::string code;
};
template <class V>
void fields(V& v, CodeBody& x) {
  v("code", x.code);
}

struct RecoveryCodes {
  std::vector<std::string> recovery_codes;  // shown this once
};
template <class V>
void fields(V& v, RecoveryCodes& x) {
  v("recovery_codes", x.recovery_codes);
}

// Null, and the call is refused, when it has ended since the call was admitted.
const TenantUser* self(const Snapshot& snapshot, const Call& call) {
  const TenantUser* user = signed_in(snapshot.state.directory, call.who());
  if (!user) call.refuse(ErrorCode::unauthenticated, "this session or token has ended: sign in again");
  return user;
}

void show_self(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Directory& directory = snapshot->state.directory;
  const TenantUser* user = self(*snapshot, call);
  if (!user) return;
  SelfView view{user->id,
                user->tenant,
                user->roles,
                user->own_roles,
                {},
                !user->second.secret.empty(),
                user->second.recovery.size(),
                {}};
  for (const auto& [permission, name] : enum_names(Permission()))
    if (!why_denied(directory, call.who(), permission, {user->tenant, false}))
      view.permissions.push_back(permission);
  const auto tenant = directory.tenants.find(user->tenant);
  if (tenant != directory.tenants.end()) view.rules = tenant->second.rules;
  call.answer(200, json::encode_text(view));
}

void list_tokens(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  std::vector<TokenView> all;
  for (const auto& [id, token] : snapshot->state.directory.tokens)
    if (token.user == call.by)
      all.push_back({id.value.substr(0, kShownDigits), token.name, id == call.token, token.permissions,
                     token.created, token.expires, api.token_use().last(id)});
  answer_page(call, std::move(all), [](const TokenView& token) { return token.id; });
}

void create_token(Api& api, Call call) {
  const auto body = body_of<TokenBody>(call);
  if (!body) return;
  const Secret secret = api.new_secret();
  const TokenId id(sha256_hex(secret.reveal()));
  const std::int64_t length = std::int64_t{body->days} * kDay_ms;
  CreateToken event{call.asked(""), id, body->name, body->permissions, length};
  const NewToken view{id.value.substr(0, kShownDigits), secret.reveal(), {api.wall().unix_ms + length}};
  api.submit(std::move(call), std::move(event),
             [view](const Call& done, const Answer&) { done.answer(201, json::encode_text(view)); });
}

void end_token(Api& api, Call call) {
  const std::string& name = call.path.at("id");
  EndToken event{call.asked(""), name == "current" ? call.token.value : name};
  api.change(std::move(call), "end_token", std::move(event));
}

// Blocks for two hashes. One at a time, so that the throttle knows of those before it.
void check_and_change(Api& api, const Call& call, const ChangeBody& body) {
  if (!may_try(api, call, call.by)) return;
  const SnapshotPointer snapshot = api.snapshot();
  const TenantUser* user = self(*snapshot, call);
  if (!user) return;
  if (!is_password(Secret(body.password), user->password)) {
    note_failure(api, call, call.by, true);
    return call.refuse(ErrorCode::denied, "password: is wrong");
  }
  SystemRandom random;
  const auto hash = hash_password(Secret(body.new_password), random);
  if (!hash) return call.refuse(problem_of(hash.error()));
  SetPassword event{call.asked(""), "", user->password, *hash};
  api.submit(call, std::move(event), [](const Call& done, const Answer&) { done.answer(200, "{}"); });
}

void change_password(Api& api, Call call) {
  const auto body = body_of<ChangeBody>(call);
  if (!body) return;
  if (!may_try(api, call, call.by)) return;
  const SnapshotPointer snapshot = api.snapshot();
  const auto tenant = snapshot->state.directory.tenants.find(call.tenant);
  const bool known = tenant != snapshot->state.directory.tenants.end();
  const SignInRules rules = known ? tenant->second.rules : SignInRules();
  const std::string problem = problem_of_password(body->new_password, rules.password_length);
  if (!problem.empty())
    return call.refuse(ErrorCode::invalid, "new_password: " + problem, {{"new_password", problem}});
  const auto shared = std::make_shared<const Call>(std::move(call));
  api.hash_later(*shared, [&api, shared, body = *body] { check_and_change(api, *shared, body); });
}

void offer_second_factor(Api& api, Call call) {
  const std::string secret = api.with_random([](Random& random) { return make_second_factor(random); });
  call.answer(200, json::encode_text(FactorOffer{secret, uri_of_second_factor(secret, call.by.value)}));
}

// The proof that a second factor may be replaced or removed; nothing, and the call is refused, without it.
std::optional<SecondProof> proof_of(Api& api, const Call& call, const std::string& code) {
  if (!may_try(api, call, call.by)) return std::nullopt;
  const SnapshotPointer snapshot = api.snapshot();
  const TenantUser* user = self(*snapshot, call);
  if (!user) return std::nullopt;
  auto proof = prove_second_factor(user->second, code, api.wall());
  if (proof) return proof;
  note_failure(api, call, call.by, true);
  call.refuse(ErrorCode::denied, "the code of your second factor is wrong, or was used before");
  return std::nullopt;
}

void set_second_factor(Api& api, Call call) {
  const auto body = body_of<FactorBody>(call);
  if (!body) return;
  if (!is_second_factor(body->secret))
    return call.refuse(ErrorCode::invalid, "secret: must be the one that was offered",
                       {{"secret", "must be the one that was offered"}});
  const auto step = step_of_code(body->secret, body->code, api.wall());
  if (!step)
    return call.refuse(ErrorCode::invalid, "code: doesn't belong to this secret now",
                       {{"code", "doesn't belong to this secret now: is the telephone's clock right?"}});
  const auto before = proof_of(api, call, body->before);
  if (!before) return;
  const RecoveryCodes codes{api.with_random([](Random& random) { return make_recovery_codes(random); })};
  SetSecondFactor event{call.asked(""), body->secret, *step, {}, before->step, before->recovery};
  for (const std::string& code : codes.recovery_codes) event.recovery.push_back(sha256_hex(code));
  api.submit(std::move(call), std::move(event),
             [codes](const Call& done, const Answer&) { done.answer(200, json::encode_text(codes)); });
}

void remove_second_factor(Api& api, Call call) {
  const auto body = body_of<CodeBody>(call);
  if (!body) return;
  const auto before = proof_of(api, call, body->code);
  if (!before) return;
  SetSecondFactor event{call.asked(""), "", 0, {}, before->step, before->recovery};
  api.change(std::move(call), "remove_second_factor", std::move(event));
}

}  // namespace

std::vector<Route> self_routes() {
  return {
      {"GET",
       "/v1/me",
       for_oneself(),
       Reach::fleet,
       show_self,
       {"show_self", "You, and what you may do", nullptr, gives<SelfView>}},
      {"PUT",
       "/v1/me/password",
       for_oneself(),
       Reach::fleet,
       change_password,
       {"change_password",
        "Another password, by the one before",
        takes<ChangeBody>,
        nullptr,
        200,
        {},
        {403}}},
      {"POST",
       "/v1/me/second-factor",
       for_oneself(),
       Reach::fleet,
       offer_second_factor,
       {"offer_second_factor", "A secret for your telephone, not set yet", nullptr, gives<FactorOffer>}},
      {"PUT",
       "/v1/me/second-factor",
       for_oneself(),
       Reach::fleet,
       set_second_factor,
       {"set_second_factor",
        "Set the secret as your second factor",
        takes<FactorBody>,
        gives<RecoveryCodes>,
        200,
        {},
        {403}}},
      {"DELETE",
       "/v1/me/second-factor",
       for_oneself(),
       Reach::fleet,
       remove_second_factor,
       {"remove_second_factor", "Remove it", takes<CodeBody>, gives<OperationView>, 200, {}, {403}}},
      {"GET",
       "/v1/tokens",
       for_oneself(),
       Reach::fleet,
       list_tokens,
       {"list_tokens", "Your sessions and API tokens", nullptr, gives<List<TokenView>>, 200, page_queries()}},
      {"POST",
       "/v1/tokens",
       for_oneself(),
       Reach::fleet,
       create_token,
       {"create_token", "Make an API token; it is shown once", takes<TokenBody>, gives<NewToken>, 201}},
      {"DELETE",
       "/v1/tokens/{id}",
       for_oneself(),
       Reach::fleet,
       end_token,
       {"end_token", "End a session or token; `current` is this one", nullptr, gives<OperationView>}}};
}

}  // namespace bascule::api
