#include "hostd/guard/guard.h"

#include <doctest/doctest.h>

#include <fstream>

#include "hostd/guard/lease_file.h"
#include "hostd/guard/settings.h"
#include "tests/unit/guard/scratch.h"

using namespace bascule;
using namespace bascule::guard;
using namespace bascule::guard::test;

namespace {

// A host whose clocks, guests and manager the test moves by hand.
struct World {
  Folder folder;
  Fifo dog{folder / "watchdog"};
  Watchdog watchdog{{folder / "watchdog", 5, true}};
  Duration time = 0s;
  std::size_t guests = 0;
  bool unkillable = false;
  int kills = 0;
  int resets = 0;
  wire::LeaseReply answer;  // of the manager
  bool reachable = true;
  Duration latency = 0s;
  std::vector<std::size_t> asked;
  wire::LeaseRequest last_request;
  Duration patience{};
  std::string order;  // 'k' for each kill, beside the pets read from the dog

  World() {
    answer.verdict = wire::LeaseVerdict::granted;
    answer.epoch = Epoch{"e1", EpochNumber(1)};
    answer.ttl = 10s;
    answer.stop_after = 8s;
    answer.kill_budget = 2s;
    answer.mode = LeaseMode::stop;
  }
  std::string lease_path() const { return folder / "lease.json"; }
  GuardHands hands() {
    GuardHands hands;
    hands.clocks = [this] { return HostClocks{100s + time, 200s + time}; };
    hands.find_guests = [this] { return GuestSearch{true, std::vector<pid_t>(guests, 1)}; };
    hands.kill_guests = [this](Duration) {
      order += dog.take() + "k";
      ++kills;
      KillReport report;
      report.killed = unkillable ? 0 : guests;
      if (!unkillable) guests = 0;
      report.alive = guests;
      report.all_gone = guests == 0;
      return report;
    };
    hands.reset_machine = [this] { ++resets; };
    hands.ask = [this](std::size_t manager, const wire::LeaseRequest& request,
                       Duration waits) -> Result<wire::LeaseReply> {
      asked.push_back(manager);
      patience = waits;
      last_request = request;
      time += latency;
      if (!reachable) return failure(ErrorCode::timeout, "no answer");
      wire::LeaseReply reply = answer;
      reply.sequence = request.sequence;
      return reply;
    };
    return hands;
  }
  Guard make(std::size_t managers = 1) {
    return Guard(Lease(ClusterId("demo"), HostId("paris-1"), BootId("boot")), watchdog, lease_path(),
                 managers, hands());
  }
};

}  // namespace

TEST_CASE("in mode stop the watchdog is armed and petted at each look, guests live while the lease is held") {
  World world;
  world.guests = 2;
  Guard guard = world.make();
  guard.tick();
  CHECK_FALSE(world.watchdog.armed());  // no grant yet
  guard.renew();
  for (int i = 0; i < 3; ++i) guard.tick();
  CHECK(world.dog.take() == "ppp");
  CHECK(world.kills == 0);
  CHECK(world.guests == 2);
}

TEST_CASE("in mode keep the watchdog is left alone, and let go of after mode stop") {
  World world;
  Guard guard = world.make();
  world.answer.mode = LeaseMode::keep;
  guard.renew();
  guard.tick();
  CHECK_FALSE(world.watchdog.armed());
  world.answer.mode = LeaseMode::stop;
  world.time += 2s;
  guard.renew();
  guard.tick();
  CHECK(world.watchdog.armed());
  world.answer.mode = LeaseMode::keep;
  world.time += 2s;
  guard.renew();
  guard.tick();
  CHECK(world.dog.take() == "pV");
}

TEST_CASE("at the deadline the guests are killed first, then the watchdog is petted") {
  World world;
  world.guests = 2;
  Guard guard = world.make();
  guard.renew();
  guard.tick();
  CHECK(world.dog.take() == "p");
  world.time = 8s;
  guard.tick();
  CHECK(world.order == "k");  // nothing petted before
  CHECK(world.dog.take() == "p");
  CHECK(world.guests == 0);
  CHECK(world.resets == 0);
  guard.publish();
  const auto file = read_lease_file(world.lease_path());
  REQUIRE(file);
  CHECK_FALSE(file->held);
  CHECK(file->stops == 1);
  CHECK(file->watchdog_armed);
}

TEST_CASE("the watchdog is not petted while a guest can't be killed, and the machine is reset") {
  World world;
  world.guests = 1;
  Guard guard = world.make();
  guard.renew();
  guard.tick();
  world.dog.take();
  world.unkillable = true;
  world.time = 8s;
  for (int i = 0; i < 5; ++i) {
    guard.tick();
    world.time += 100ms;
  }
  CHECK(world.kills == 5);
  CHECK(world.resets == 5);
  guard.renew();  // a new grant doesn't change that
  guard.tick();
  CHECK(world.dog.take().empty());
  world.unkillable = false;
  guard.tick();
  CHECK(world.dog.take() == "p");
}

TEST_CASE(
    "a guard that was frozen past the deadline kills before anything else, even if a grant comes first") {
  World world;
  world.guests = 1;
  Guard guard = world.make();
  guard.renew();
  guard.tick();
  world.dog.take();
  world.time = 60s;
  SUBCASE("the deadline thread wakes first") {}
  SUBCASE("the renewal thread wakes first") { guard.renew(); }
  guard.tick();
  CHECK(world.order == "k");
  CHECK(world.guests == 0);
}

TEST_CASE("a frozen guard's reply to a request of before the freeze extends nothing") {
  World world;
  world.guests = 1;
  Guard guard = world.make();
  world.latency = 60s;
  guard.renew();
  guard.tick();
  guard.publish();
  CHECK_FALSE(read_lease_file(world.lease_path())->held);
}

TEST_CASE("renewals come about every tenth of the TTL, sooner after a failure, never faster than 200 ms") {
  World world;
  Guard guard = world.make(2);
  CHECK(guard.renew() == 1s);
  world.latency = 300ms;
  CHECK(guard.renew() == 700ms);
  world.latency = 0s;
  world.answer.ttl = 500ms;
  world.answer.stop_after = 300ms;
  world.answer.kill_budget = 200ms;
  CHECK(guard.renew() == 200ms);
  world.reachable = false;
  CHECK(guard.renew() == 200ms);
  world.reachable = true;
  world.answer.verdict = wire::LeaseVerdict::not_leader;
  CHECK(guard.renew() == 200ms);
  guard.renew();
  CHECK(world.asked == std::vector<std::size_t>{0, 0, 0, 0, 1, 0});  // the next manager after each failure
}

TEST_CASE("where there is one manager it is waited for, and its answer counts from when it was asked") {
  World two;
  Guard several = two.make(2);
  several.renew();
  several.renew();
  CHECK(two.patience == 1s);
  World world;
  Guard guard = world.make(1);
  guard.renew();
  CHECK(world.patience == 1s);  // of a manager that it never heard
  world.latency = 2900ms;
  guard.renew();
  CHECK(world.patience == 3s);
  guard.publish();
  CHECK(read_lease_file(world.lease_path())->stop_at == 208s);
}

TEST_CASE("the next look is never later than the deadline") {
  World world;
  Guard guard = world.make();
  guard.renew();
  CHECK(guard.tick() == 100ms);
  world.time = 7990ms;
  CHECK(guard.tick() == 10ms);
}

TEST_CASE("a grant is echoed only once it is published") {
  World world;
  Guard guard = world.make();
  guard.renew();
  CHECK(world.last_request.echo_sequence == 0);
  world.time = 2s;
  guard.renew();
  CHECK(world.last_request.echo_sequence != 0);
  CHECK(world.last_request.echo_mode == LeaseMode::stop);
  world.time = 4s;
  std::filesystem::remove(world.lease_path());
  std::filesystem::create_directory(world.lease_path());  // can't be replaced by a file
  guard.renew();
  CHECK(world.last_request.echo_sequence == 0);
  CHECK(world.last_request.echo_mode == LeaseMode::keep);
}

TEST_CASE("lease.json is rewritten at each change and once a second, not more often") {
  World world;
  Guard guard = world.make();
  guard.tick();
  REQUIRE(guard.publish());
  std::filesystem::remove(world.lease_path());
  world.time = 900ms;
  guard.tick();
  guard.publish();
  CHECK_FALSE(std::filesystem::exists(world.lease_path()));
  world.time = 1s;
  guard.tick();
  guard.publish();
  CHECK(read_lease_file(world.lease_path())->written == 201s);
  world.time = 1100ms;
  guard.renew();
  guard.publish();
  CHECK(read_lease_file(world.lease_path())->held);
  CHECK(read_lease_file(world.lease_path())->stop_at == 209100ms);
}

TEST_CASE("an orderly exit stops the watchdog only when no guest depends on it") {
  World world;
  Guard guard = world.make();
  guard.renew();
  guard.tick();
  world.dog.take();
  SUBCASE("no guest") {
    guard.leave();
    CHECK(world.dog.take() == "V");
    CHECK_FALSE(read_lease_file(world.lease_path())->watchdog_armed);
  }
  SUBCASE("a guest runs") {
    world.guests = 1;
    guard.leave();
    CHECK(world.dog.take().empty());
    CHECK(world.watchdog.armed());
  }
}

TEST_CASE("guard.toml: defaults, and errors with their lines") {
  const Folder folder;
  const auto load = [&folder](const std::string& text) {
    std::ofstream(folder / "guard.toml") << text;
    return load_settings(folder / "guard.toml");
  };
  const std::string sound =
      "cluster = \"demo\"\nhost = \"paris-1\"\nmanager = [\"198.18.0.2:7445\"]\n"
      "[tls]\nca = \"a\"\ncertificate = \"b\"\nkey = \"c\"\n";
  const auto settings = load(sound);
  REQUIRE(settings);
  CHECK(settings->run_dir == "/run/bascule");
  CHECK(settings->watchdog.device == "/dev/watchdog");
  CHECK(settings->watchdog.timeout_s == 5);
  CHECK_FALSE(settings->watchdog.emulated);
  CHECK(settings->sysrq);
  const auto wrong = load(sound + "[watchdog]\ntimeout_s = 0\n");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message.find("guard.toml:9: watchdog.timeout_s: must be 1 to 60") != std::string::npos);
  CHECK_FALSE(load(sound + "[watchdog]\ntimout_s = 5\n"));
}
