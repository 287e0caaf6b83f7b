// The command line that all daemons share: --config, --check-config, --version, --help.
#pragma once

#include <string>
#include <variant>

namespace bascule {

struct DaemonArguments {
  std::string config;  // path of the configuration file: --config, else $BASCULE_CONFIG, else the default
  bool check_config = false;  // only say what is wrong with it, and end
};

// `name` is what follows "bascule-": "hostd". Help, version and wrong usage are printed here; then the exit
// code is returned instead: 0, or 2 for wrong usage.
std::variant<DaemonArguments, int> parse_daemon_arguments(int argc, char** argv, const std::string& name,
                                                          const std::string& purpose);

}  // namespace bascule
