// role: what the users of a tenant may be, beside what everybody has.
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

struct RoleOptions {
  std::string name, reason;
  std::vector<std::string> permissions;
};

void print_roles(Session& session, const std::string& body) {
  Table table({"ROLE", "OWN", "MAY"});
  for (const Document& role : elements(parse(body), "items"))
    table.add({{text(role, "name"), Tone::strong},
               {flag(role, "own") ? "yes" : "-"},
               {joined(role, "permissions", " ")}});
  table.print(session.out, session.terminal.colours);
}

int set_role(Session& session, const RoleOptions& options) {
  const json::Value body{{"permissions", options.permissions}, {"reason", options.reason}};
  return session.show(session.change("PUT", "/v1/roles/" + segment(options.name), json::text_of(body)),
                      [&](const std::string&) { session.out << harmless(options.name) << " is set\n"; });
}

int remove_role(Session& session, const std::string& name) {
  return session.show(session.change("DELETE", "/v1/roles/" + segment(name), reason_body("")),
                      [&](const std::string&) { session.out << harmless(name) << " is removed\n"; });
}

}  // namespace

void add_role_commands(CLI::App& app, Session& session) {
  CLI::App& group = add_group(app, "role", "What the users of your tenant may be");
  add_command(group, session, "list", "All roles, and what each may do", "  bascule role list", [&session] {
    return session.show(session.get("/v1/roles"),
                        [&session](const std::string& body) { print_roles(session, body); });
  });
  const auto options = std::make_shared<RoleOptions>();
  CLI::App& set =
      add_command(group, session, "set", "Make a role of your own, or change it for whoever has it",
                  "  bascule role set night --may see_machines --may run_machines",
                  [&session, options] { return set_role(session, *options); });
  set.add_option("name", options->name, "Of the role")->required()->type_name("NAME");
  set.add_option("--may", options->permissions, "A permission; repeatable")
      ->required()
      ->type_name("PERMISSION");
  set.add_option("--reason", options->reason, "Goes into the audit")->type_name("TEXT");
  const auto name = std::make_shared<std::string>();
  add_command(group, session, "remove", "Remove a role of your own that nobody has",
              "  bascule role remove night", [&session, name] { return remove_role(session, *name); })
      .add_option("name", *name, "Of the role")
      ->required()
      ->type_name("NAME");
}

}  // namespace bascule::cli
