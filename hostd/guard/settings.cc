#include "hostd/guard/settings.h"

#include "base/config_load.h"

namespace bascule::guard {

void check_config(const Settings& settings, const ConfigProblem& problem) {
  if (!is_valid_name(settings.cluster)) problem("cluster", "is not a valid name");
  if (!is_valid_name(settings.host)) problem("host", "is not a valid name");
  if (!settings.run_dir.starts_with('/')) problem("run_dir", "must be an absolute path");
  if (settings.manager.empty()) problem("manager", "must name at least one manager");
  const int timeout = settings.watchdog.timeout_s;
  if (timeout < 1 || timeout > 60) problem("watchdog.timeout_s", "must be 1 to 60");
}

Result<Settings> load_settings(const std::string& path) { return load_config<Settings>(path); }

}  // namespace bascule::guard
