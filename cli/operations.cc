// operation: changes that are under way.
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

void print_operation(Session& session, const std::string& body) {
  const Document operation = parse(body);
  session.out << harmless(text(operation, "what")) << ' ' << harmless(text(operation, "subject")) << ": "
              << session.paint(harmless(text(operation, "state")), Tone::strong);
  for (const char* more : {"progress", "error.message"})
    if (!text(operation, more).empty()) session.out << ", " << harmless(text(operation, more));
  session.out << '\n';
}

int cancel(Session& session, const std::string& id) {
  return session.show(session.change("POST", "/v1/operations/" + segment(id) + "/cancel", reason_body("")),
                      [&](const std::string&) {
                        session.out << harmless(id) << " is called back: its machine is stopped\n";
                      });
}

}  // namespace

void add_operation_commands(CLI::App& app, Session& session) {
  CLI::App& group = add_group(app, "operation", "Changes that are under way");
  const auto id = std::make_shared<std::string>();
  const auto add = [&](const char* name, const char* what, std::function<int()> run) {
    add_command(group, session, name, what,
                std::string("  bascule operation ") + name + " 3f1c22a0-5b1e-4c7a-9d53-0a86f1a5c001",
                std::move(run))
        .add_option("id", *id, "As the answer said")
        ->required()
        ->type_name("ID");
  };
  add("show", "What became of it, and what it waits for", [&session, id] {
    return session.show(session.get("/v1/operations/" + segment(*id)),
                        [&session](const std::string& body) { print_operation(session, body); });
  });
  add("cancel", "Call back a start that is under way", [&session, id] { return cancel(session, *id); });
}

}  // namespace bascule::cli
