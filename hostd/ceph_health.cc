#include "hostd/ceph_health.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/json.h"

namespace bascule::hostd {
namespace {

constexpr std::array<std::string_view, 18> kTold = {
    "MON_DISK_CRIT",     "MON_DISK_LOW",    "MON_DOWN",   "OBJECT_UNFOUND", "OSD_BACKFILLFULL",
    "OSD_CHASSIS_DOWN",  "OSD_DOWN",        "OSD_FULL",   "OSD_HOST_DOWN",  "OSD_NEARFULL",
    "OSD_RACK_DOWN",     "PG_AVAILABILITY", "PG_DAMAGED", "PG_DEGRADED",    "POOL_FULL",
    "POOL_BACKFILLFULL", "POOL_NEARFULL",   "SLOW_OPS"};

}  // namespace

Result<std::vector<std::string>> codes_of_health(const std::string& answer) {
  const Result<json::Value> health = json::parse(answer);
  if (!health) return failure(health.error());
  const auto checks = health->find("checks");
  if (checks == health->end() || !checks->is_object())
    return failure(ErrorCode::internal, "Ceph's health has no checks");
  std::vector<std::string> codes;
  for (const auto& [code, check] : checks->items()) {
    const bool told = std::find(kTold.begin(), kTold.end(), code) != kTold.end();
    const bool muted = check.is_object() && check.contains("muted") && check["muted"] == true;
    if (told && !muted) codes.push_back(code);
  }
  return codes;
}

}  // namespace bascule::hostd
