#include "base/daemon_arguments.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace bascule {

std::variant<DaemonArguments, int> parse_daemon_arguments(int argc, char** argv, const std::string& name,
                                                          const std::string& purpose) {
  const std::string program = "bascule-" + name;
  DaemonArguments arguments;
  arguments.config = fmt::format("/etc/bascule/{}.toml", name);
  CLI::App app(purpose, program);
  app.add_option("--config", arguments.config, "configuration file")
      ->capture_default_str()
      ->envname("BASCULE_CONFIG");
  app.add_flag("--check-config", arguments.check_config, "say what is wrong with the configuration, and end");
  app.set_version_flag("--version", program + " " BASCULE_VERSION);
  app.footer(
      fmt::format("Examples:\n"
                  "  {0} --check-config\n"
                  "  {0} --config /etc/bascule/{1}.toml\n"
                  "\n"
                  "Exit codes: 0 ended by a signal, 1 cannot run, 2 wrong usage or configuration.\n"
                  "More: man {0}.",
                  program, name));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& told) {
    return app.exit(told) == 0 ? 0 : 2;
  }
  return arguments;
}

}  // namespace bascule
