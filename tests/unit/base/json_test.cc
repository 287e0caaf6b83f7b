#include "base/json.h"

#include <doctest/doctest.h>

#include "base/wire.h"

using namespace bascule;

TEST_CASE("a wire message survives the way there and back") {
  wire::Command command;
  command.action = ActionId("a1");
  command.cluster = ClusterId("demo");
  command.epoch = {"e", EpochNumber(3)};
  command.generation = Generation(7);
  command.not_after = 1500ms;
  wire::StartVm start;
  start.spec.name = "web-1";
  start.spec.home = SiteId("paris");
  start.spec.memory_mib = 96;
  start.spec.disks.push_back({"metro", "web-1.raw", 64, DiskFormat::raw, "debian-12"});
  command.order = start;
  const wire::FromManager sent = command;
  const auto got = json::decode_text<wire::FromManager>(json::encode_text(sent), json::Unknown::refuse);
  REQUIRE(got.has_value());
  const auto& back = std::get<wire::Command>(*got);
  CHECK(back.generation == Generation(7));
  CHECK(back.not_after == 1500ms);
  CHECK(std::get<wire::StartVm>(back.order).spec == start.spec);
}

TEST_CASE("all errors are told, each with its path") {
  const char* text =
      R"({"name": 5, "home": "paris", "memory_mib": -1, "disks": [{"pool": "p", "volume": "v"}], "colour": "red"})";
  const auto got = json::decode_text<VmSpec>(text, json::Unknown::refuse);
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().message ==
        "name: must be a string; memory_mib: is out of range; disks[0].size_mib: is missing; colour: is not "
        "a known field");
}

TEST_CASE("a whole number is held to its type's range, however it is stored") {
  const auto port = [](json::Value value) {
    return json::decode<std::uint16_t>(value, json::Unknown::refuse).has_value();
  };
  CHECK(port(std::int64_t{65535}));
  CHECK_FALSE(port(std::int64_t{65536}));
  CHECK_FALSE(port(std::uint64_t{65536}));
  CHECK_FALSE(port(-1));
  const auto signed_one = [](json::Value value) {
    return json::decode<std::int32_t>(value, json::Unknown::refuse).has_value();
  };
  CHECK(signed_one(-2147483648LL));
  CHECK_FALSE(signed_one(2147483648LL));
  CHECK_FALSE(signed_one(18446744073709551615ULL));
  CHECK(json::decode<std::uint64_t>(json::Value(18446744073709551615ULL), json::Unknown::refuse).has_value());
}

TEST_CASE("stored records tolerate unknown fields") {
  const auto got =
      json::decode_text<Capacity>(R"({"memory_mib": 1, "vcpus": 2, "gpus": 3})", json::Unknown::tolerate);
  REQUIRE(got.has_value());
  CHECK(got->vcpus == 2);
}

TEST_CASE("garbage and deep nesting are refused") {
  CHECK_FALSE(json::parse("{\"a\":").has_value());
  CHECK_FALSE(json::parse(std::string(200, '[') + std::string(200, ']')).has_value());
}

TEST_CASE("an unknown message type names the known ones") {
  const auto got = json::decode_text<wire::FromHost>(R"({"type": "hullo"})", json::Unknown::tolerate);
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().message ==
        "type: must be one of: hello, heartbeat, domain_changed, host_fault, command_reply, volumes_seen, "
        "image_seen");
}
