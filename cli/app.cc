#include "cli/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/connect.h"

namespace bascule::cli {
namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  bascule status\n"
    "  bascule vm list --json\n"
    "  bascule explain vm/web-1\n"
    "  bascule failback plan\n"
    "\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 manager unreachable, 4 outcome unknown.\n"
    "Configuration: --config, BASCULE_CONFIG, ~/.config/bascule/client.toml, /etc/bascule/client.toml.\n"
    "More: man bascule.";

struct ReasonBody {
  std::string reason;
};
template <class V>
void fields(V& v, ReasonBody& x) {
  v("reason", x.reason);
}

void build(CLI::App& app, Session& session) {
  app.name("bascule");
  app.footer(kFooter);
  app.fallthrough();
  app.set_help_all_flag("--help-all", "The help of all commands");
  app.set_version_flag("--version", std::string("bascule ") + BASCULE_VERSION);
  app.add_flag("--json", session.globals.json, "Print the API's own representation");
  app.add_option("--config", session.globals.config, "Configuration of the client")->type_name("FILE");
  app.add_option("--wait", session.globals.wait_s, "Seconds to wait for the end of an operation (300)")
      ->check(CLI::Range(1, 86400));
  add_status(app, session);
  add_host_commands(app, session);
  add_vm_commands(app, session);
  add_quota_command(app, session);
  add_image_commands(app, session);
  add_key_commands(app, session);
  add_failback_commands(app, session);
  add_people_commands(app, session);
  add_sign_in_commands(app, session);
  add_user_commands(app, session);
  add_role_commands(app, session);
  add_contact_commands(app, session);
  add_operation_commands(app, session);
  add_trail_commands(app, session);
  add_report_commands(app, session);
  add_api_command(app, session);
}

void collect(const CLI::App& app, const std::string& before, std::vector<std::string>& names) {
  for (const CLI::App* command : app.get_subcommands({})) {
    const std::string name = before.empty() ? command->get_name() : before + " " + command->get_name();
    names.push_back(name);
    collect(*command, name, names);
  }
}

}  // namespace

CLI::App& add_group(CLI::App& app, const std::string& name, const std::string& what) {
  CLI::App& group = *app.add_subcommand(name, what);
  group.require_subcommand(1);
  group.footer("See also: bascule " + name + " COMMAND --help");
  return group;
}

CLI::App& add_command(CLI::App& app, Session& session, const std::string& name, const std::string& what,
                      const std::string& examples, std::function<int()> run) {
  CLI::App& command = *app.add_subcommand(name, what);
  command.footer("Examples:\n" + examples);
  command.callback([&session, run = std::move(run)] { session.exit_code = run(); });
  return command;
}

std::string reason_body(const std::string& reason) { return json::encode_text(ReasonBody{reason}); }

int run(const std::vector<std::string>& arguments, Session& session) {
  if (std::find(arguments.begin(), arguments.end(), "--check-config") != arguments.end()) {
    const auto config = std::find(arguments.begin(), arguments.end(), "--config");
    const bool named = config != arguments.end() && config + 1 != arguments.end();
    return check_config_file(config_path(named ? *(config + 1) : ""));
  }
  CLI::App app("Bascule: VMs on two sites, switched when something breaks, returned when you approve.");
  build(app, session);
  app.add_flag_function(
      "--check-config", [](std::int64_t) {}, "Check the configuration and end");
  app.require_subcommand(1);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, session.out, session.err);
    return code == 0 ? kDone : kUsage;
  }
  return session.exit_code;
}

std::vector<std::string> all_commands() {
  Session session(std::cout, std::cerr, std::cin, {}, {});
  CLI::App app;
  build(app, session);
  std::vector<std::string> names;
  collect(app, "", names);
  return names;
}

}  // namespace bascule::cli
