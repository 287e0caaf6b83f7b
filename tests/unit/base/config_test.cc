#include <doctest/doctest.h>

#include "base/config_load.h"

namespace {

using bascule::Duration;
using namespace std::chrono_literals;

enum class Mode { keep, stop };
constexpr auto enum_names(Mode) {
  return std::array{bascule::EnumName<Mode>{Mode::keep, "keep"}, bascule::EnumName<Mode>{Mode::stop, "stop"}};
}

struct Bmc {
  std::string agent;
  std::uint16_t port = 623;
};
template <class V>
void fields(V& v, Bmc& x) {
  v("agent", x.agent);
  v.optional("port", x.port);
}

struct Host {
  std::string name;
  std::optional<Bmc> bmc;
};
template <class V>
void fields(V& v, Host& x) {
  v("name", x.name);
  v.optional("bmc", x.bmc);
}

struct Policy {
  Duration heartbeat = 1s;
  int brake_window_s = 600;
  Mode on_lease_loss = Mode::keep;
};
template <class V>
void fields(V& v, Policy& x) {
  v.optional("heartbeat_ms", x.heartbeat);
  v.optional("brake_window_s", x.brake_window_s);
  v.optional("on_lease_loss", x.on_lease_loss);
}

struct Config {
  std::string cluster;
  std::vector<std::string> manager;
  Policy policy;
  std::vector<Host> host;
};
template <class V>
void fields(V& v, Config& x) {
  v("cluster", x.cluster);
  v.optional("manager", x.manager);
  v.optional("policy", x.policy);
  v.optional("host", x.host);
}
void check_config(const Config& config, const bascule::ConfigProblem& problem) {
  if (config.policy.heartbeat < 100ms) problem("policy.heartbeat_ms", "must be at least 100");
  if (config.cluster == "two\nlines") problem("cluster", "is \"" + config.cluster + "\", not a name");
}

bascule::Result<Config> load(std::string_view text) {
  const auto document = bascule::ConfigDocument::parse(text, "m.toml");
  if (!document) return bascule::failure(document.error());
  return bascule::decode_config<Config>(*document);
}

std::string error_of(std::string_view text) {
  const auto config = load(text);
  return config ? "" : config.error().message;
}

}  // namespace

TEST_CASE("a configuration becomes its struct, absent keys keep their defaults") {
  const auto config = load(R"(
cluster = "demo"
manager = ["a:1", "b:2"]
[policy]
heartbeat_ms = 250
on_lease_loss = "stop"
[[host]]
name = "paris-1"
[host.bmc]
agent = "ipmitool"
[[host]]
name = "lyon-1"
)");
  REQUIRE(config);
  CHECK(config->cluster == "demo");
  CHECK(config->manager == std::vector<std::string>{"a:1", "b:2"});
  CHECK(config->policy.heartbeat == 250ms);
  CHECK(config->policy.brake_window_s == 600);
  CHECK(config->policy.on_lease_loss == Mode::stop);
  REQUIRE(config->host.size() == 2);
  CHECK(config->host[0].bmc->agent == "ipmitool");
  CHECK(config->host[0].bmc->port == 623);
  CHECK_FALSE(config->host[1].bmc);
}

TEST_CASE("every error of a file is told, with its line, in the file's order") {
  CHECK(error_of(R"(manager = "a:1"
[policy]
hearbeat_ms = 250
brake_window_s = "long"
on_lease_loss = "maybe"
[[host]]
name = "paris-1"
[[host]]
[host.bmc]
agent = "x"
port = 70000
)") == "m.toml: cluster: is missing\n"
       "m.toml:1: manager: must be a list\n"
       "m.toml:3: policy.hearbeat_ms: is not a known key\n"
       "m.toml:4: policy.brake_window_s: must be a whole number\n"
       "m.toml:5: policy.on_lease_loss: must be one of: keep, stop\n"
       "m.toml:8: host[1].name: is missing\n"
       "m.toml:11: host[1].bmc.port: is out of range");
}

TEST_CASE("what types can't say is checked too") {
  CHECK(error_of("cluster = \"demo\"\n[policy]\nheartbeat_ms = 5\n") ==
        "m.toml:3: policy.heartbeat_ms: must be at least 100");
}

TEST_CASE("an error stays on its line, whatever stands in the value that it quotes") {
  CHECK(error_of("cluster = \"two\\nlines\"\n") == "m.toml:1: cluster: is \"two?lines\", not a name");
}

TEST_CASE("a table in the place of a value, a date and broken syntax are errors with a line") {
  CHECK(error_of("cluster = \"demo\"\npolicy = 3\n") == "m.toml:2: policy: must be a table");
  CHECK(error_of("cluster = 2026-11-25\n") == "m.toml:1: cluster: is a date or time, which no key takes");
  CHECK(error_of("cluster = \"demo\"\nmanager = [\n").substr(0, 7) == "m.toml:");
  CHECK(error_of("cluster = \"demo\"\ncluster = \"demo\"\n").substr(0, 9) == "m.toml:2:");
  CHECK(error_of("cluster = \"demo\"\n[.g]\nmanager = []\n") == "m.toml:2: is not TOML; look at its key");
  CHECK(error_of("cluster = \"demo\"\n[.g]") == "m.toml:2: is not TOML; look at its key");
}

TEST_CASE("a missing file and a folder are errors that name the path") {
  const auto missing = bascule::load_config<Config>("/nonexistent/m.toml");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message ==
        "/nonexistent/m.toml: can't be opened; check the path and its permissions");
  CHECK_FALSE(bascule::load_config<Config>("/"));
}
