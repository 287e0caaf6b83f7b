#include "portal/server/config.h"

#include "base/config_load.h"

namespace bascule::portal {

// Called by load_config() once all keys are known and of the right type.
void check_config(const PortalConfig& config, const ConfigProblem& problem) {
  if (config.listen.address.empty()) problem("listen.address", "must not be empty");
  if (config.listen.connections < 1 || config.listen.connections > 1'000'000)
    problem("listen.connections", "must be 1 to 1000000");
  if (config.listen.connections_per_address < 1)
    problem("listen.connections_per_address", "must be at least 1");
  if (config.manager.address.find(':') == std::string::npos)
    problem("manager.address", "must be like 198.18.0.2:7447");
}

Result<PortalConfig> load_portal_config(const std::string& path) { return load_config<PortalConfig>(path); }

}  // namespace bascule::portal
