// Rates from counters, and the last 24 hours of them.
#include "cluster/metrics.h"

#include <doctest/doctest.h>

using namespace bascule;

namespace {

constexpr std::int64_t kStart = 1'800'000'000'000;  // on a step's border

// One guest on one host, of which a look is noted every 10 s.
struct Meter {
  void look(Duration cpu, std::uint64_t written, const char* host = "paris-1") {
    at += 10'000;
    clock += 10s;
    wire::Usage usage;
    usage.clock = clock;
    usage.link = 1'250'000'000;
    wire::Counters counters;
    counters.cpu = cpu;
    counters.written = written;
    counters.memory = 1000;
    usage.guests.push_back({vm, counters});
    metrics.note(HostId(host), usage, {at});
  }
  Metrics::Series series() const { return metrics.of_guest(vm, {at}); }

  const VmId vm{"vm-1"};
  Metrics metrics;
  std::int64_t at = kStart;
  Duration clock = 5000s;
};

}  // namespace

TEST_CASE_FIXTURE(Meter, "two looks are a rate, one is none") {
  look(100s, 5'000);
  CHECK_FALSE(series().now.has_value());
  look(115s, 25'000);
  REQUIRE(series().now.has_value());
  CHECK(series().now->rates.cpus == doctest::Approx(1.5));
  CHECK(series().now->rates.written == doctest::Approx(2'000));
  CHECK(series().now->rates.memory == doctest::Approx(1'000));
  CHECK(series().now->at.unix_ms == kStart + 10'000);
  CHECK(metrics.of_guest(VmId("another"), {at}).steps.empty());
  CHECK(metrics.of_host(HostId("paris-1"), {at}).link == 1'250'000'000);
  CHECK(metrics.now_of_host(HostId("paris-1"), {at}).now.has_value());
  CHECK(metrics.now_of_host(HostId("paris-1"), {at}).steps.empty());
}

TEST_CASE("a host has no say about machines that are placed elsewhere") {
  State state;
  for (const char* id : {"vm-1", "vm-2"}) {
    state.vms[VmId(id)].record.spec.id = VmId(id);
    state.vms[VmId(id)].record.placement.owner = HostId(id == std::string("vm-1") ? "paris-1" : "lyon-1");
  }
  wire::Usage usage;
  for (const char* id : {"vm-1", "vm-2", "vm-3"}) usage.guests.push_back({VmId(id), {}});
  const wire::Usage own = own_guests(state, HostId("paris-1"), usage);
  REQUIRE(own.guests.size() == 1);
  CHECK(own.guests[0].vm == VmId("vm-1"));
}

TEST_CASE_FIXTURE(Meter, "a step is the mean of its looks") {
  look(0s, 0);
  look(10s, 0);  // 1 CPU
  look(40s, 0);  // 3
  REQUIRE(series().steps.size() == 1);
  CHECK(series().steps[0].at.unix_ms == kStart);
  CHECK(series().steps[0].rates.cpus == doctest::Approx(2));
}

TEST_CASE_FIXTURE(Meter, "counters that begin anew, on this host or another, give no rate") {
  look(100s, 9'000);
  look(1s, 9'500);
  CHECK(series().steps.empty());
  look(2s, 9'600, "lyon-1");
  CHECK(series().steps.empty());
  look(3s, 9'700, "lyon-1");
  CHECK(series().steps.size() == 1);
}

TEST_CASE_FIXTURE(Meter, "a gap in the looks is a gap in the steps") {
  look(0s, 0);
  look(10s, 0);
  at += 600'000;
  clock += 600s;
  CHECK_FALSE(series().now.has_value());
  look(20s, 0);  // over ten minutes: too long for a rate
  look(30s, 0);
  REQUIRE(series().steps.size() == 2);
  CHECK(series().steps[1].at.unix_ms - series().steps[0].at.unix_ms == 600'000);
  CHECK(series().steps[1].rates.cpus == doctest::Approx(1));
}

TEST_CASE_FIXTURE(Meter, "24 hours are kept, and what is not seen for longer is forgotten") {
  for (int i = 0; i < 30 * 360; ++i) look(i * 10s, 0);
  CHECK(series().steps.size() == Metrics::kSteps);
  CHECK(series().steps.front().at.unix_ms > at - 24 * 3600 * 1000);
  const VmId gone = vm;
  at += 25 * 3600 * 1000;
  metrics.note(HostId("paris-1"), {}, {at});
  CHECK(metrics.of_guest(gone, {at - 25 * 3600 * 1000}).steps.empty());
}
