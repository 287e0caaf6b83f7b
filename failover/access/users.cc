#include "failover/access/users.h"

#include <fmt/format.h>

#include <algorithm>

#include "failover/access/authorize.h"
#include "failover/access/needs.h"
#include "failover/access/roles.h"

namespace bascule {
namespace {

constexpr std::size_t kMostUsers = 1000;         // of one tenant
constexpr std::size_t kMostSessionsOfUser = 20;  // one more ends the oldest
constexpr std::size_t kMostTokensOfUser = 50;
constexpr std::size_t kMostTokensOfTenant = 2000;  // sessions too
constexpr std::size_t kMostTokens = 50'000;        // of all
constexpr std::size_t kMostExpiredAtOnce = 50;     // a commit is bounded
constexpr std::uint32_t kLeastPassword = 8;
constexpr std::uint32_t kMostPassword = 128;
constexpr std::size_t kMostRecoveryCodes = 16;
constexpr std::size_t kMostContacts = 8;
constexpr std::size_t kLongestAddress = 254;  // RFC 5321, 4.5.3.1.3
constexpr std::int64_t kInvitation_ms = 7LL * 24 * 3600 * 1000;
constexpr std::int64_t kLongestSession_ms = 12LL * 3600 * 1000;
constexpr std::int64_t kLongestToken_ms = 366LL * 24 * 3600 * 1000;

// In the order of their names, each once: a list may be no longer than there are names.
template <class T>
std::vector<T> distinct(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// Of the plain kind: what goes into an SMTP command and a list that commas separate.
bool is_mail_address(const std::string& text) {
  const std::size_t at = text.find('@');
  const bool shaped = at != std::string::npos && at > 0 && at + 1 < text.size() &&
                      text.find('@', at + 1) == std::string::npos && text.size() <= kLongestAddress;
  return shaped && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 ||
                  std::string_view("@.!#$%&'*+-/=?^_`{|}~").find(static_cast<char>(c)) !=
                      std::string_view::npos;
         });
}

// Null when there is none: then it is refused.
Tenant* tenant_for(Turn& turn, const Asked& asked, const char* what, const TenantId& tenant) {
  const auto found = turn.state.directory.tenants.find(tenant);
  if (found != turn.state.directory.tenants.end()) return &found->second;
  turn.refuse(asked, what, "tenant/" + tenant.value, {ErrorCode::not_found, "no tenant " + tenant.value});
  return nullptr;
}

std::string subject_of(const OperatorId& user) { return "user/" + user.value; }
std::string short_id(const TokenId& id) { return id.value.substr(0, 12); }

Principal principal_of(const Asked& asked) { return {asked.by, asked.token}; }

bool is_hash(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::size_t users_of(const Directory& directory, const TenantId& tenant) {
  return static_cast<std::size_t>(
      std::count_if(directory.users.begin(), directory.users.end(),
                    [&](const auto& entry) { return entry.second.tenant == tenant; }));
}

std::vector<TokenId> tokens_of(const Directory& directory, const OperatorId& user) {
  std::vector<TokenId> ids;
  for (const auto& [id, token] : directory.tokens)
    if (token.user == user) ids.push_back(id);
  return ids;
}

void drop_token(Turn& turn, const TokenId& id) {
  const auto found = turn.state.directory.tokens.find(id);
  turn.touch(found->second);
  turn.state.directory.tokens.erase(found);
}

void drop_tokens_of(Turn& turn, const OperatorId& user) {
  for (const TokenId& id : tokens_of(turn.state.directory, user)) drop_token(turn, id);
}

// The user of a request, in the asker's own scope; refuses it when there is none.
TenantUser* user_for(Turn& turn, const Asked& asked, const char* what, const OperatorId& id) {
  const auto found = turn.state.directory.users.find(id);
  if (found != turn.state.directory.users.end()) return &found->second;
  turn.refuse(asked, what, subject_of(id), {ErrorCode::not_found, "nothing of that name is yours"});
  return nullptr;
}

bool is_owner(const TenantUser& user) {
  const bool owns = std::find(user.roles.begin(), user.roles.end(), TenantRole::owner) != user.roles.end();
  return owns && !user.disabled && !user.password.empty();
}

// A tenant that has lost its last owner can be helped by the provider only.
bool is_last_owner(const Directory& directory, const TenantUser& user) {
  return is_owner(user) &&
         std::none_of(directory.users.begin(), directory.users.end(), [&](const auto& entry) {
           const TenantUser& other = entry.second;
           return other.tenant == user.tenant && other.id != user.id && is_owner(other);
         });
}

bool has_owner(const Directory& directory, const TenantId& tenant) {
  return std::any_of(directory.users.begin(), directory.users.end(), [&](const auto& entry) {
    return entry.second.tenant == tenant && is_owner(entry.second);
  });
}

std::string why_not_invited(const State& state, const InviteUser& asked) {
  const Directory& directory = state.directory;
  if (!is_valid_name(asked.name)) return "name: must be letters, digits, '-', '_' and '.'";
  if (asked.roles.empty() && asked.own_roles.empty()) return "roles: at least one is needed";
  if (std::string problem = problem_of_own_roles(directory, asked.tenant, asked.own_roles); !problem.empty())
    return problem;
  if (!is_hash(asked.invitation)) return "invitation: must be a SHA-256 in hexadecimal";
  if (users_of(directory, asked.tenant) >= kMostUsers) return "there are 1000 users already";
  return "";
}

// There is one at most. Whoever knows it could come in as an owner.
void end_invitation_of_provider(Turn& turn, const TenantId& tenant) {
  auto& users = turn.state.directory.users;
  const auto found = std::find_if(users.begin(), users.end(), [&](const auto& entry) {
    const TenantUser& user = entry.second;
    return user.tenant == tenant && user.by_provider && user.password.empty();
  });
  if (found == users.end()) return;
  turn.touch(found->second);
  users.erase(found);
}

}  // namespace

void invite_user(Turn& turn, const InviteUser& asked) {
  Directory& directory = turn.state.directory;
  const OperatorId id(asked.tenant.value + "/" + asked.name);
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "invite_user", subject_of(id), {code, std::move(words)});
  };
  if (!directory.tenants.contains(asked.tenant))
    return refuse(ErrorCode::not_found, "no tenant " + asked.tenant.value);
  if (std::string problem = why_not_invited(turn.state, asked); !problem.empty())
    return refuse(ErrorCode::invalid, std::move(problem));
  if (asked.asked.token.empty() && has_owner(directory, asked.tenant))
    return refuse(ErrorCode::denied, asked.tenant.value + " has an owner, who alone invites its users");
  const auto found = directory.users.find(id);
  if (found != directory.users.end() && !found->second.password.empty())
    return refuse(ErrorCode::conflict, "a user named " + id.value + " exists");
  if (asked.asked.token.empty()) end_invitation_of_provider(turn, asked.tenant);
  TenantUser user;
  user.id = id;
  user.tenant = asked.tenant;
  user.roles = distinct(asked.roles);
  user.own_roles = distinct(asked.own_roles);
  user.invitation = asked.invitation;
  user.by_provider = asked.asked.token.empty();
  user.created = turn.wall;
  turn.touch(user);
  directory.users[id] = std::move(user);
  turn.log(asked.asked, "invite_user", subject_of(id), Reason::requested);
  turn.answer(asked.asked.request, id.value);
}

void change_user(Turn& turn, const ChangeUser& asked) {
  TenantUser* user = user_for(turn, asked.asked, "change_user", asked.user);
  if (!user) return;
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "change_user", subject_of(asked.user), {code, std::move(words)});
  };
  if (asked.roles.empty() && asked.own_roles.empty())
    return refuse(ErrorCode::invalid, "roles: at least one is needed");
  if (std::string problem = problem_of_own_roles(turn.state.directory, user->tenant, asked.own_roles);
      !problem.empty())
    return refuse(ErrorCode::invalid, std::move(problem));
  const bool stays = !asked.disabled && std::find(asked.roles.begin(), asked.roles.end(),
                                                  TenantRole::owner) != asked.roles.end();
  if (!stays && is_last_owner(turn.state.directory, *user))
    return refuse(ErrorCode::conflict, "it is the last owner: make another one first");
  user->roles = distinct(asked.roles);
  user->own_roles = distinct(asked.own_roles);
  user->disabled = asked.disabled;
  turn.touch(*user);
  drop_tokens_of(turn, asked.user);
  turn.log(asked.asked, "change_user", subject_of(asked.user), Reason::requested);
  turn.answer(asked.asked.request, asked.user.value);
}

void remove_user(Turn& turn, const RemoveUser& asked) {
  TenantUser* user = user_for(turn, asked.asked, "remove_user", asked.user);
  if (!user) return;
  if (is_last_owner(turn.state.directory, *user))
    return turn.refuse(asked.asked, "remove_user", subject_of(asked.user),
                       {ErrorCode::conflict, "it is the last owner: make another one first"});
  turn.touch(*user);
  drop_tokens_of(turn, asked.user);
  turn.state.directory.users.erase(asked.user);
  turn.log(asked.asked, "remove_user", subject_of(asked.user), Reason::requested);
  turn.answer(asked.asked.request, asked.user.value);
}

void set_rules(Turn& turn, const SetRules& asked) {
  const std::string subject = "tenant/" + asked.tenant.value;
  Tenant* tenant = tenant_for(turn, asked.asked, "set_rules", asked.tenant);
  if (!tenant) return;
  if (asked.rules.password_length < kLeastPassword || asked.rules.password_length > kMostPassword)
    return turn.refuse(asked.asked, "set_rules", subject,
                       {ErrorCode::invalid, "password_length: must be 8 to 128"});
  tenant->rules = asked.rules;
  turn.touch(*tenant);
  turn.log(asked.asked, "set_rules", subject, Reason::requested, "",
           {{"password_length", std::to_string(asked.rules.password_length)},
            {"second_factor", asked.rules.second_factor ? "needed" : "as each likes"}});
  turn.answer(asked.asked.request, asked.tenant.value);
}

void set_contacts(Turn& turn, const SetContacts& asked) {
  const std::string subject = "tenant/" + asked.tenant.value;
  Tenant* tenant = tenant_for(turn, asked.asked, "set_contacts", asked.tenant);
  if (!tenant) return;
  if (asked.contacts.size() > kMostContacts)
    return turn.refuse(asked.asked, "set_contacts", subject, {ErrorCode::invalid, "contacts: at most 8"});
  for (std::size_t i = 0; i < asked.contacts.size(); ++i)
    if (!is_mail_address(asked.contacts[i]))
      return turn.refuse(asked.asked, "set_contacts", subject,
                         {ErrorCode::invalid, "contacts[" + std::to_string(i) + "]: must be a mail address"});
  tenant->contacts = asked.contacts;
  turn.touch(*tenant);
  turn.log(asked.asked, "set_contacts", subject, Reason::requested, "",
           {{"contacts", std::to_string(asked.contacts.size())}});
  turn.answer(asked.asked.request, asked.tenant.value);
}

void set_password(Turn& turn, const SetPassword& asked) {
  const auto found = turn.state.directory.users.find(asked.asked.by);
  const bool known = found != turn.state.directory.users.end() && !found->second.disabled;
  const bool invited = known && !asked.invitation.empty() && found->second.invitation == asked.invitation &&
                       turn.wall.unix_ms < found->second.created.unix_ms + kInvitation_ms;
  const bool same = known && !asked.previous.empty() && found->second.password == asked.previous &&
                    signed_in(turn.state.directory, principal_of(asked.asked));
  if ((!invited && !same) || asked.password.empty())
    return turn.refuse(asked.asked, "set_password", subject_of(asked.asked.by),
                       {ErrorCode::unauthenticated, "this invitation is not, or no longer, good"});
  found->second.password = asked.password;
  found->second.invitation.clear();
  turn.touch(found->second);
  if (is_owner(found->second)) end_invitation_of_provider(turn, found->second.tenant);
  drop_tokens_of(turn, asked.asked.by);
  turn.log(asked.asked, "set_password", subject_of(asked.asked.by), Reason::requested);
  turn.answer(asked.asked.request, asked.asked.by.value);
}

namespace {

bool is_of_tenant(const Token& token, const TenantId& tenant) {
  return token.user.value.starts_with(tenant.value + "/");
}

// Who forgets to sign out shall be able to sign in all the same.
void make_room_for_session(Turn& turn, const OperatorId& user) {
  const Token* oldest = nullptr;
  std::size_t sessions = 0;
  for (const auto& [id, token] : turn.state.directory.tokens) {
    if (token.user != user || !token.name.empty()) continue;
    ++sessions;
    if (!oldest || token.created < oldest->created) oldest = &token;
  }
  if (sessions >= kMostSessionsOfUser) drop_token(turn, TokenId(oldest->id));
}

std::string why_no_more_tokens(const Directory& directory, const Token& token) {
  std::size_t of_user = 0, of_tenant = 0;
  const TenantId tenant = directory.users.at(token.user).tenant;
  for (const auto& [id, other] : directory.tokens) {
    if (is_of_tenant(other, tenant)) ++of_tenant;
    if (other.user == token.user && !other.name.empty()) ++of_user;
  }
  if (!token.name.empty() && of_user >= kMostTokensOfUser)
    return "you have 50 tokens: end some of them first";
  if (of_tenant >= kMostTokensOfTenant) return tenant.value + " has 2000 sessions and tokens: end some first";
  return directory.tokens.size() >= kMostTokens ? "there are too many sessions and tokens: try again later"
                                                : "";
}

void add_token(Turn& turn, const Asked& asked, const char* what, Token token) {
  Directory& directory = turn.state.directory;
  if (!is_hash(token.id.value) || directory.tokens.contains(token.id))
    return turn.refuse(asked, what, subject_of(token.user), {ErrorCode::invalid, "not a new token"});
  if (std::string why = why_no_more_tokens(directory, token); !why.empty())
    return turn.refuse(asked, what, subject_of(token.user), {ErrorCode::exhausted, std::move(why)});
  turn.log(asked, what, subject_of(token.user), Reason::requested, "",
           {{"token", short_id(token.id)}, {"name", token.name}});
  turn.answer(asked.request, short_id(token.id));
  turn.touch(token);
  directory.tokens.emplace(token.id, std::move(token));
}

}  // namespace

namespace {

// Each code and each recovery code counts once.
bool spend_second_factor(SecondFactor& second, std::uint64_t step, const std::string& recovery) {
  if (second.secret.empty()) return true;
  if (step > second.last_step) {
    second.last_step = step;
    return true;
  }
  return !recovery.empty() && std::erase(second.recovery, recovery) > 0;
}

}  // namespace

void open_session(Turn& turn, const OpenSession& asked) {
  const auto found = turn.state.directory.users.find(asked.asked.by);
  const bool known = found != turn.state.directory.users.end() && !found->second.disabled &&
                     !asked.password.empty() && found->second.password == asked.password;
  if (!known || !spend_second_factor(found->second.second, asked.step, asked.recovery))
    return turn.refuse(asked.asked, "open_session", subject_of(asked.asked.by),
                       {ErrorCode::unauthenticated, "wrong name, password or code"});
  turn.touch(found->second);
  Token token;
  token.id = asked.token;
  token.user = asked.asked.by;
  token.created = turn.wall;
  token.expires = {turn.wall.unix_ms + std::min(asked.length_ms, kLongestSession_ms)};
  make_room_for_session(turn, token.user);
  add_token(turn, asked.asked, "open_session", std::move(token));
}

void set_second_factor(Turn& turn, const SetSecondFactor& asked) {
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "set_second_factor", subject_of(asked.asked.by), {code, std::move(words)});
  };
  Directory& directory = turn.state.directory;
  if (!signed_in(directory, principal_of(asked.asked)))
    return refuse(ErrorCode::unauthenticated, "this session or token has ended: sign in again");
  if (!directory.tokens.at(asked.asked.token).name.empty())
    return refuse(ErrorCode::denied, "a token changes no second factor: sign in");
  if (asked.recovery.size() > kMostRecoveryCodes)
    return refuse(ErrorCode::invalid, "recovery: must be at most 16 codes");
  TenantUser& user = directory.users.at(asked.asked.by);
  if (!spend_second_factor(user.second, asked.before_step, asked.before_recovery))
    return refuse(ErrorCode::denied, "code: is wrong, or was used before");
  user.second = {asked.secret, asked.step, asked.recovery};
  turn.touch(user);
  // What was opened without it is no better than what it is to keep out.
  for (const TokenId& id : tokens_of(directory, user.id))
    if (id != asked.asked.token) drop_token(turn, id);
  turn.log(asked.asked, asked.secret.empty() ? "remove_second_factor" : "set_second_factor",
           subject_of(user.id), Reason::requested);
  turn.answer(asked.asked.request, user.id.value);
}

void create_token(Turn& turn, const CreateToken& asked) {
  const Directory& directory = turn.state.directory;
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "create_token", subject_of(asked.asked.by), {code, std::move(words)});
  };
  if (!signed_in(directory, principal_of(asked.asked)))
    return refuse(ErrorCode::unauthenticated, "this session or token has ended: sign in again");
  if (!directory.tokens.at(asked.asked.token).name.empty())
    return refuse(ErrorCode::denied, "a token makes no tokens: sign in");
  if (lacks_second_factor(directory, directory.users.at(asked.asked.by)))
    return refuse(ErrorCode::denied, "your tenant asks for a second factor: set one up first");
  if (!is_valid_name(asked.name))
    return refuse(ErrorCode::invalid, "name: must be letters, digits, '-', '_' and '.'");
  if (asked.length_ms < 60'000 || asked.length_ms > kLongestToken_ms)
    return refuse(ErrorCode::invalid, "days: must be 1 to 366");
  Token token;
  token.id = asked.token;
  token.user = asked.asked.by;
  token.name = asked.name;
  token.permissions = distinct(asked.permissions);
  token.created = turn.wall;
  token.expires = {turn.wall.unix_ms + asked.length_ms};
  add_token(turn, asked.asked, "create_token", std::move(token));
}

void end_token(Turn& turn, const EndToken& asked) {
  const Directory& directory = turn.state.directory;
  const auto found = std::find_if(directory.tokens.begin(), directory.tokens.end(), [&](const auto& entry) {
    return asked.token.size() >= 12 && entry.first.value.starts_with(asked.token);
  });
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "end_token", "token/" + asked.token, {code, std::move(words)});
  };
  const Principal who = principal_of(asked.asked);
  if (!signed_in(directory, who))
    return refuse(ErrorCode::unauthenticated, "this session or token has ended: sign in again");
  if (found == directory.tokens.end()) return refuse(ErrorCode::not_found, "nothing of that name is yours");
  const auto owner = directory.users.find(found->second.user);
  const TenantId tenant = owner == directory.users.end() ? TenantId() : owner->second.tenant;
  if (!directory.tokens.at(who.token).name.empty() && found->first != who.token)
    return refuse(ErrorCode::denied, "a token ends no other: sign in");
  const bool own = found->second.user == who.id;
  if (!own && why_denied(directory, who, Permission::manage_users, {tenant, false}))
    return refuse(ErrorCode::not_found, "nothing of that name is yours");
  turn.log(asked.asked, "end_token", subject_of(found->second.user), Reason::requested, "",
           {{"token", short_id(found->first)}, {"name", found->second.name}});
  turn.answer(asked.asked.request, short_id(found->first));
  drop_token(turn, TokenId(found->first));
}

void expire_tokens(Turn& turn) {
  std::vector<TokenId> over;
  for (const auto& [id, token] : turn.state.directory.tokens)
    if (token.expires.unix_ms <= turn.wall.unix_ms && over.size() < kMostExpiredAtOnce) over.push_back(id);
  for (const TokenId& id : over) {
    const Token& token = turn.state.directory.tokens.at(id);
    turn.log("end_token", subject_of(token.user), Reason::requested, "its time is over",
             {{"token", short_id(id)}, {"name", token.name}});
    drop_token(turn, id);
  }
}

}  // namespace bascule
