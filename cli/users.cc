// user: the people of a tenant, for its owners; and `tenant invite`, for the first of them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

// As typed; sent as those that everybody has, and those of the tenant's own.
struct Roles {
  std::vector<std::string> names;
};
template <class V>
void fields(V& v, Roles& x) {
  constexpr std::array<std::string_view, 4> kEverybodys{"owner", "operator", "viewer", "auditor"};
  std::vector<std::string> everybodys, own;
  for (const std::string& name : x.names)
    (std::find(kEverybodys.begin(), kEverybodys.end(), name) != kEverybodys.end() ? everybodys : own)
        .push_back(name);
  v("roles", everybodys);
  v("own_roles", own);
}

struct Invite {
  std::string tenant;  // not sent
  std::string name;
  Roles roles;
  std::string reason;
};
template <class V>
void fields(V& v, Invite& x) {
  v("name", x.name);
  fields(v, x.roles);
  v("reason", x.reason);
}

struct Change {
  std::string name;  // not sent
  Roles roles;
  bool disabled = false;
};
template <class V>
void fields(V& v, Change& x) {
  fields(v, x.roles);
  v("disabled", x.disabled);
}

int invite(Session& session, const Invite& request, const std::string& path) {
  return session.show(session.post(path, json::encode_text(request)), [&session](const std::string& body) {
    const Document made = parse(body);
    session.out << harmless(text(made, "user"))
                << " is invited. Give them, by a safe way:\n  bascule set-password "
                << harmless(text(made, "user")) << " --invitation " << harmless(text(made, "invitation"))
                << '\n';
  });
}

void print_users(Session& session, const std::string& body) {
  Table table({"USER", "ROLES", "STATE", "SECOND FACTOR", "SINCE"});
  for (const Document& user : elements(parse(body), "items")) {
    const bool invited = flag(user, "invited");
    const std::string state = flag(user, "disabled") ? "disabled" : invited ? "invited" : "active";
    table.add({{text(user, "name"), Tone::strong},
               {joined(user, "roles", " ") + (elements(user, "roles").empty() ? "" : " ") +
                joined(user, "own_roles", " ")},
               {state},
               {flag(user, "second_factor") ? "yes" : "no"},
               {time_text(user, "created")}});
  }
  table.print(session.out, session.terminal.colours);
}

int change_user(Session& session, const std::string& method, const std::string& name, const std::string& body,
                const std::string& done) {
  return session.show(session.change(method, "/v1/users/" + segment(name), body),
                      [&](const std::string&) { session.out << harmless(name) << ' ' << done << '\n'; });
}

void add_change(CLI::App& group, Session& session) {
  const auto change = std::make_shared<Change>();
  CLI::App& command = add_command(
      group, session, "change", "Change somebody's roles; it ends their sessions and tokens",
      "  bascule user change vera --role operator\n  bascule user change vera --role viewer --disabled",
      [&session, change] {
        return change_user(session, "PUT", change->name, json::encode_text(*change), "is changed");
      });
  command.add_option("name", change->name, "Without the tenant")->required()->type_name("NAME");
  command.add_option("--role", change->roles.names, "Repeatable")->required()->type_name("ROLE");
  command.add_flag("--disabled", change->disabled, "They can't sign in");
}

}  // namespace

void add_tenant_invite(CLI::App& tenant, Session& session) {
  const auto request = std::make_shared<Invite>();
  request->roles.names = {"owner"};
  CLI::App& command =
      add_command(tenant, session, "invite", "Invite a tenant's first owner, who then invites the others",
                  "  bascule tenant invite acme anna", [&session, request] {
                    return invite(session, *request, "/v1/tenants/" + segment(request->tenant) + "/users");
                  });
  command.add_option("tenant", request->tenant, "Whose owner")->required()->type_name("TENANT");
  command.add_option("name", request->name, "Of the user")->required()->type_name("NAME");
  command.add_option("--reason", request->reason, "Goes into the audit")->type_name("TEXT");
}

void add_user_commands(CLI::App& app, Session& session) {
  CLI::App& group = add_group(app, "user", "The people of your tenant");
  add_command(group, session, "list", "All of them", "  bascule user list", [&session] {
    return session.show(session.get_all("/v1/users"),
                        [&session](const std::string& body) { print_users(session, body); });
  });
  const auto request = std::make_shared<Invite>();
  CLI::App& command =
      add_command(group, session, "invite", "Invite somebody", "  bascule user invite vera --role viewer",
                  [&session, request] { return invite(session, *request, "/v1/users"); });
  command.add_option("name", request->name, "Without the tenant")->required()->type_name("NAME");
  command.add_option("--role", request->roles.names, "Repeatable; `bascule role list` shows all")
      ->required()
      ->type_name("ROLE");
  add_change(group, session);
  const auto name = std::make_shared<std::string>();
  CLI::App& remove = add_command(
      group, session, "remove", "Remove somebody, and whatever lets them in", "  bascule user remove vera",
      [&session, name] { return change_user(session, "DELETE", *name, reason_body(""), "is removed"); });
  remove.add_option("name", *name, "Without the tenant")->required()->type_name("NAME");
}

}  // namespace bascule::cli
