// /v1/sessions and /v1/passwords: how a tenant's user gets in. Nothing here tells whether an account exists,
// not even by its time: an unknown one costs a hash too.
#include "api/sign_in.h"

#include <algorithm>

#include "api/body.h"
#include "api/password.h"
#include "api/routes.h"
#include "api/second_factor.h"
#include "base/sha256.h"

namespace bascule::api {
namespace {

constexpr std::int64_t kSession_ms = 8LL * 3600 * 1000;
constexpr std::size_t kLongestInvitation = 64;

struct SignInBody {
  OperatorId user;
  std::string password;
  std::string code;  // of the second factor, or a recovery code
};
template <class V>
void fields(V& v, SignInBody& x) {
  v("user", x.user);
  v("password", x.password);
  v.optional("code", x.code);
}

struct SessionView {
  std::string token;
  OperatorId user;
  WallTime expires;
};
template <class V>
void fields(V& v, SessionView& x) {
  v("token", x.token);
  v("user", x.user);
  v("expires", x.expires);
}

struct PasswordBody {
  OperatorId user;
  std::string invitation;
  std::string password;
};
template <class V>
void fields(V& v, PasswordBody& x) {
  v("user", x.user);
  v("invitation", x.invitation);
  v("password", x.password);
}

// A valid user's name, so that strangers can't write what they like into the audit.
bool is_user_name(const OperatorId& user) {
  const auto slash = user.value.find('/');
  return slash != std::string::npos && is_valid_name(user.value.substr(0, slash)) &&
         is_valid_name(user.value.substr(slash + 1));
}

void fail(Api& api, const Call& call, const OperatorId& user, bool known) {
  note_failure(api, call, user, known);
  call.refuse(ErrorCode::unauthenticated, "wrong name, password or code");
}

// Blocks for a hash. One at a time, so that the throttle knows of those before it.
void check_and_open(Api& api, const Call& call, const SignInBody& body) {
  if (!may_try(api, call, body.user)) return;
  const SnapshotPointer snapshot = api.snapshot();
  const auto& users = snapshot->state.directory.users;
  const auto found = users.find(body.user);
  const bool known = found != users.end() && !found->second.disabled && !found->second.password.empty();
  const std::string& hash = known ? found->second.password : hash_of_nobody();
  const bool right = is_password(Secret(body.password), hash) && known;
  const Secret secret = api.new_secret();
  const auto proof = known ? prove_second_factor(found->second.second, body.code, api.wall()) : std::nullopt;
  if (!right || !proof) return fail(api, call, body.user, known);
  OpenSession event{{call.id, body.user, ""},
                    hash,
                    proof->step,
                    proof->recovery,
                    TokenId(sha256_hex(secret.reveal())),
                    kSession_ms};
  const SessionView view{secret.reveal(), body.user, {api.wall().unix_ms + kSession_ms}};
  api.submit(call, std::move(event), [&api, view](const Call& done, const Answer&) {
    api.throttle().succeeded(view.user.value);
    done.answer(201, json::encode_text(view));
  });
}

void open_session(Api& api, Call call) {
  const auto body = body_of<SignInBody>(call);
  if (!body) return;
  if (!is_user_name(body->user))
    return call.refuse(ErrorCode::invalid, "user: must be tenant/name", {{"user", "must be tenant/name"}});
  if (!may_try(api, call, body->user)) return;
  const auto shared = std::make_shared<const Call>(std::move(call));
  api.hash_later(*shared, [&api, shared, body = *body] { check_and_open(api, *shared, body); });
}

// Blocks for a hash.
void hash_and_set(Api& api, const Call& call, const PasswordBody& body) {
  SystemRandom random;
  const auto hash = hash_password(Secret(body.password), random);
  if (!hash) return call.refuse(problem_of(hash.error()));
  SetPassword event{{call.id, body.user, ""}, sha256_hex(body.invitation), "", *hash};
  api.submit(call, std::move(event), [](const Call& done, const Answer&) { done.answer(200, "{}"); });
}

void set_password(Api& api, Call call) {
  const auto body = body_of<PasswordBody>(call);
  if (!body) return;
  const SnapshotPointer snapshot = api.snapshot();
  const auto& directory = snapshot->state.directory;
  if (!is_user_name(body->user))
    return call.refuse(ErrorCode::invalid, "user: must be tenant/name", {{"user", "must be tenant/name"}});
  if (body->invitation.size() > kLongestInvitation)
    return call.refuse(ErrorCode::invalid, "invitation: is too long", {{"invitation", "is too long"}});
  if (!may_try(api, call, body->user)) return;
  const std::string invitation = sha256_hex(body->invitation);  // for whomever: it takes its time
  const auto user = directory.users.find(body->user);
  const bool invited = user != directory.users.end() && !user->second.disabled &&
                       constant_time_equal(user->second.invitation, invitation);
  if (!invited) {
    api.throttle().failed_at(call.source, api.now());
    return call.refuse(ErrorCode::unauthenticated, "this invitation is not, or no longer, good");
  }
  const auto tenant = directory.tenants.find(user->second.tenant);
  const SignInRules rules = tenant == directory.tenants.end() ? SignInRules() : tenant->second.rules;
  if (const std::string problem = problem_of_password(body->password, rules.password_length);
      !problem.empty())
    return call.refuse(ErrorCode::invalid, "password: " + problem, {{"password", problem}});
  const auto shared = std::make_shared<const Call>(std::move(call));
  api.hash_later(*shared, [&api, shared, body = *body] { hash_and_set(api, *shared, body); });
}

}  // namespace

bool may_try(Api& api, const Call& call, const OperatorId& user) {
  const Duration wait = api.throttle().wait(user.value, call.source, api.now());
  if (wait > 0s) call.wait(wait, "too many failed attempts");
  return wait <= 0s;
}

void note_failure(Api& api, const Call& call, const OperatorId& user, bool known) {
  api.throttle().failed(user.value, call.source, api.now());
  if (!known) return;  // what nobody has needs no trail; that of an account is bounded by the throttle
  NoteAccess event{
      {call.id, user, ""}, "sign in, from " + call.source, "user/" + user.value, "wrong password or code"};
  api.services().submit(std::move(event), [](const Answer&) {});
}

std::optional<SecondProof> prove_second_factor(const SecondFactor& second, const std::string& code,
                                               WallTime now) {
  if (second.secret.empty()) return SecondProof();
  const auto step = step_of_code(second.secret, code, now);
  if (step && *step > second.last_step) return SecondProof{*step, ""};
  const std::string recovery = sha256_hex(code);
  const bool left =
      std::find(second.recovery.begin(), second.recovery.end(), recovery) != second.recovery.end();
  if (step || !left) return std::nullopt;
  return SecondProof{0, recovery};
}

std::vector<Route> sign_in_routes() {
  return {
      {"POST",
       "/v1/sessions",
       for_anyone(),
       Reach::fleet,
       open_session,
       {"open_session", "Sign in", takes<SignInBody>, gives<SessionView>, 201, {}, {401}}},
      {"POST",
       "/v1/passwords",
       for_anyone(),
       Reach::fleet,
       set_password,
       {"set_password", "Set a password, by an invitation", takes<PasswordBody>, nullptr, 200, {}, {401}}}};
}

}  // namespace bascule::api
