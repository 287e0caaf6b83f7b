#include "hostd/ceph_health.h"

#include <doctest/doctest.h>

namespace bascule::hostd {
namespace {

using Codes = std::vector<std::string>;

constexpr const char* kUnwell = R"json({"status": "HEALTH_WARN", "checks": {
  "SLOW_OPS": {"severity": "HEALTH_WARN", "summary": {"message": "3 slow ops", "count": 3}, "muted": false},
  "OSD_NEARFULL": {"severity": "HEALTH_WARN", "summary": {"message": "1 nearfull osd(s)"}},
  "OSD_DOWN": {"severity": "HEALTH_WARN", "muted": true},
  "TELEMETRY_CHANGED": {"severity": "HEALTH_WARN"}}, "mutes": []})json";

TEST_CASE("of Ceph's health, what threatens data or stops a pool is told") {
  const auto codes = codes_of_health(kUnwell);
  REQUIRE(codes);
  CHECK(*codes == Codes{"OSD_NEARFULL", "SLOW_OPS"});
  CHECK(codes_of_health(R"({"status": "HEALTH_OK", "checks": {}})").value().empty());
  for (const char* wrong : {"", "[]", "{}", R"({"checks": 1})", R"({"checks": {)"})
    CHECK_FALSE(codes_of_health(wrong));
}

}  // namespace
}  // namespace bascule::hostd
