// What becomes of requests that came with a key, as the store has it.
#include "cluster/request_log.h"

#include "tests/unit/cluster/pump.h"

using namespace ::test;

namespace {

EventBody keyed(const std::string& name, const std::string& request, bool start) {
  CreateVm create = std::get<CreateVm>(create_vm(name, request));
  create.asked.digest = "of " + name;
  create.start = start;
  return create;
}

std::optional<KeptRequest> kept(Pump& pump, const std::string& request) {
  const auto found = read_request(pump.store, RequestId(request));
  REQUIRE(found);
  return *found;
}

}  // namespace

TEST_CASE("a request's outcome is stored with what it did, and again when it has ended") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.post(keyed("web-1", "r1", false));
  pump.post(keyed("web-2", "r2", true));
  pump.post(create_vm("web-3", "r3"));
  pump.settle();
  REQUIRE(kept(pump, "r1"));
  CHECK(kept(pump, "r1")->ended);
  CHECK(kept(pump, "r1")->digest == "of web-1");
  CHECK(kept(pump, "r1")->subject == std::get<CreateVm>(create_vm("web-1")).spec.id.value);
  REQUIRE(kept(pump, "r2"));
  CHECK_FALSE(kept(pump, "r2")->ended);
  CHECK_FALSE(kept(pump, "r3"));

  const auto starts = only<SendCommand>(pump.actions);
  REQUIRE(starts.size() == 2);  // web-2's, then web-3's
  pump.post(HostReplied{copy_of("paris-1"), {starts[0].action, std::nullopt, std::nullopt, {}, {}}});
  pump.settle();
  REQUIRE(kept(pump, "r2"));
  CHECK(kept(pump, "r2")->ended);
  CHECK_FALSE(kept(pump, "r2")->error);
}

TEST_CASE("what was refused at once isn't kept") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.post(keyed("web-1", "r1", false));
  pump.post(keyed("web-1", "r2", false));
  pump.settle();
  CHECK(kept(pump, "r1"));
  CHECK_FALSE(kept(pump, "r2"));
}

TEST_CASE("a day later it is forgotten, also by the next manager") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.post(keyed("web-1", "r1", false));
  pump.settle();
  pump.clock.at = pump.clock.at + 12h;
  pump.begin_manager();
  pump.settle();
  pump.post(keyed("web-2", "r2", false));
  pump.settle();
  CHECK(kept(pump, "r1"));
  pump.clock.at = pump.clock.at + 12h;
  pump.settle();
  CHECK_FALSE(kept(pump, "r1"));
  CHECK(kept(pump, "r2"));
}

TEST_CASE("of many only so many are dropped at once, and no key stands twice in what is dropped") {
  std::vector<RequestLog::Known> stored;
  for (int i = 0; i < 30; ++i) stored.push_back({{1000 - i}, RequestId("r" + std::to_string(i % 25))});
  RequestLog log(stored);
  CHECK(log.drop({1000}).empty());
  const auto first = log.drop({1000 + RequestLog::kKeptFor_ms});
  CHECK(first.size() == RequestLog::kMostDropped);
  CHECK(first.front() == "request/r4");  // the oldest
  CHECK(std::set<std::string>(first.begin(), first.end()).size() == first.size());
  CHECK(log.drop({1000 + RequestLog::kKeptFor_ms}).size() >= 5);
  CHECK(log.drop({1000 + RequestLog::kKeptFor_ms}).empty());
}
