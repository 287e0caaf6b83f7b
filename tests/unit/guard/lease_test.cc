#include "hostd/guard/lease.h"

#include <doctest/doctest.h>

using namespace bascule;
using namespace bascule::guard;

namespace {

constexpr HostClocks at(Duration d) { return {100s + d, 500s + d}; }

wire::LeaseReply grant(const wire::LeaseRequest& request, LeaseMode mode = LeaseMode::stop) {
  wire::LeaseReply reply;
  reply.verdict = wire::LeaseVerdict::granted;
  reply.epoch = Epoch{"e1", EpochNumber(3)};
  reply.term = Term(7);
  reply.sequence = request.sequence;
  reply.ttl = 10s;
  reply.stop_after = 8s;
  reply.kill_budget = 2s;
  reply.mode = mode;
  return reply;
}

wire::LeaseReply verdict(const wire::LeaseRequest& request, wire::LeaseVerdict what) {
  wire::LeaseReply reply = grant(request);
  reply.verdict = what;
  return reply;
}

Lease fresh() { return Lease(ClusterId("demo"), HostId("paris-1"), BootId("boot")); }

Lease granted_at(Duration sent, LeaseMode mode = LeaseMode::stop) {
  Lease lease = fresh();
  lease.accept(grant(lease.next_request(at(sent), true), mode), at(sent));
  REQUIRE(lease.held());
  return lease;
}

}  // namespace

TEST_CASE("no grant since boot: not held, and nothing to stop") {
  Lease lease = fresh();
  lease.advance(at(0s));
  CHECK_FALSE(lease.held());
  CHECK_FALSE(lease.stop_due());
  CHECK(lease.time_left(at(0s)) == 0s);
  CHECK(lease.file(at(0s)).mode == LeaseMode::keep);
}

TEST_CASE("a reply extends from the moment its request was sent, not received") {
  Lease lease = fresh();
  const auto request = lease.next_request(at(0s), true);
  lease.accept(grant(request), at(3s));
  CHECK(lease.held());
  CHECK(lease.time_left(at(3s)) == 5s);
  CHECK(lease.file(at(3s)).stop_at == 508s);
  lease.advance(at(8s - 1ns));
  CHECK(lease.held());
  lease.advance(at(8s));
  CHECK_FALSE(lease.held());
  CHECK(lease.stop_due());
}

TEST_CASE("of two clocks the one that went further counts") {
  SUBCASE("raw") {
    Lease lease = granted_at(0s);
    lease.advance({100s + 8s, 500s + 1s});
    CHECK(lease.stop_due());
  }
  SUBCASE("boot: the host was suspended") {
    Lease lease = granted_at(0s);
    lease.advance({100s + 1s, 500s + 8s});
    CHECK(lease.stop_due());
  }
  SUBCASE("time left is the lesser") {
    const Lease lease = granted_at(0s);
    CHECK(lease.time_left({103s, 501s}) == 5s);
    CHECK(lease.time_left({101s, 503s}) == 5s);
  }
}

TEST_CASE("only the reply to the latest request counts, once") {
  Lease lease = fresh();
  const auto first = lease.next_request(at(0s), true);
  const auto second = lease.next_request(at(1s), true);
  CHECK(second.sequence > first.sequence);
  lease.accept(grant(first), at(2s));
  CHECK_FALSE(lease.held());
  lease.accept(grant(second), at(2s));
  CHECK(lease.file(at(2s)).stop_at == 509s);
  lease.accept(verdict(second, wire::LeaseVerdict::revoked), at(3s));
  CHECK(lease.held());
}

TEST_CASE("the sequence grows over restarts of guard, without being stored") {
  Lease before = fresh();
  std::uint64_t last = 0;
  for (int i = 0; i < 50; ++i) last = before.next_request(at(i * 200ms), true).sequence;
  Lease after = fresh();
  CHECK(after.next_request(at(10s), true).sequence > last);
  CHECK(after.next_request(at(10s), true).sequence > last + 1);  // two in one millisecond differ too
}

TEST_CASE("revoked: in mode stop the guests are stopped at once, in keep it is only published") {
  Lease stop = granted_at(0s);
  stop.accept(verdict(stop.next_request(at(1s), true), wire::LeaseVerdict::revoked), at(1s));
  CHECK_FALSE(stop.held());
  CHECK(stop.stop_due());

  Lease keep = granted_at(0s, LeaseMode::keep);
  keep.accept(verdict(keep.next_request(at(1s), true), wire::LeaseVerdict::revoked), at(1s));
  CHECK_FALSE(keep.held());
  CHECK_FALSE(keep.stop_due());
  CHECK(keep.file(at(1s)).problem.starts_with("the manager revoked the lease"));
}

TEST_CASE("withheld: what is held is held until its deadline, and then the guests are stopped") {
  Lease lease = granted_at(0s);
  lease.accept(verdict(lease.next_request(at(2s), true), wire::LeaseVerdict::withheld), at(2s));
  CHECK(lease.held());
  CHECK(lease.file(at(2s)).problem.empty());
  lease.advance(at(7999ms));
  CHECK_FALSE(lease.stop_due());
  lease.advance(at(8s));
  CHECK(lease.stop_due());
}

TEST_CASE("in keep the lease runs out at its TTL and nothing is stopped") {
  Lease lease = granted_at(0s, LeaseMode::keep);
  lease.advance(at(9s));
  CHECK(lease.held());
  lease.advance(at(10s));
  CHECK_FALSE(lease.held());
  CHECK_FALSE(lease.stop_due());
}

TEST_CASE("a lapse that nobody noticed is still owed when a new grant comes first") {
  Lease lease = granted_at(0s);
  const auto request = lease.next_request(at(20s), true);  // guard was frozen from 0 s to 20 s
  lease.accept(grant(request), at(20s));
  CHECK(lease.stop_due());
  CHECK_FALSE(lease.held());
  lease.stopped(2, true);
  CHECK_FALSE(lease.stop_due());
  CHECK(lease.held());
  CHECK(lease.file(at(20s)).stops == 1);
}

TEST_CASE("guests that outlive the kill keep the stop owed, also past a new grant") {
  Lease lease = granted_at(0s);
  lease.advance(at(8s));
  lease.stopped(1, false);
  lease.accept(grant(lease.next_request(at(9s), true)), at(9s));
  CHECK(lease.stop_due());
  CHECK_FALSE(lease.held());
}

TEST_CASE("after a stop the search goes on until there is a grant, and counts only what it killed") {
  Lease lease = granted_at(0s);
  lease.advance(at(8s));
  lease.stopped(3, true);
  lease.stopped(0, true);
  CHECK(lease.stop_due());
  CHECK(lease.file(at(8s)).stops == 1);
  lease.accept(grant(lease.next_request(at(9s), true)), at(9s));
  CHECK(lease.held());
  CHECK_FALSE(lease.stop_due());
}

TEST_CASE("epoch and term never go down") {
  Lease lease = granted_at(0s);
  auto old_term = grant(lease.next_request(at(1s), true));
  old_term.term = Term(6);
  lease.accept(old_term, at(1s));
  CHECK(lease.file(at(1s)).stop_at == 508s);

  auto old_epoch = verdict(lease.next_request(at(2s), true), wire::LeaseVerdict::revoked);
  old_epoch.epoch.number = EpochNumber(2);
  old_epoch.term = Term(99);
  lease.accept(old_epoch, at(2s));
  CHECK(lease.held());

  auto copy = grant(lease.next_request(at(3s), true));
  copy.epoch.id = "e2";
  lease.accept(copy, at(3s));
  CHECK(lease.file(at(3s)).stop_at == 508s);
  CHECK(lease.file(at(3s)).problem.find("copy") != std::string::npos);

  auto newer = grant(lease.next_request(at(4s), true));
  newer.epoch = Epoch{"e9", EpochNumber(4)};
  newer.term = Term(1);
  lease.accept(newer, at(4s));
  CHECK(lease.file(at(4s)).stop_at == 512s);
  CHECK(lease.file(at(4s)).term == Term(1));
  CHECK(lease.file(at(4s)).problem.empty());
}

TEST_CASE("a manager that doesn't lead or know the host changes nothing") {
  for (const auto what : {wire::LeaseVerdict::not_leader, wire::LeaseVerdict::unknown_host}) {
    Lease lease = granted_at(0s);
    auto reply = verdict(lease.next_request(at(1s), true), what);
    reply.term = Term(50);
    lease.accept(reply, at(1s));
    CHECK(lease.held());
    CHECK(lease.file(at(1s)).stop_at == 508s);
    CHECK(lease.file(at(1s)).term == Term(7));
    CHECK_FALSE(lease.file(at(1s)).problem.empty());
  }
}

TEST_CASE("grants with impossible lengths, and those that come too late, are not used") {
  Lease lease = granted_at(0s);
  const auto refuse = [&lease](auto change) {
    auto reply = grant(lease.next_request(at(1s), true));
    change(reply);
    lease.accept(reply, at(2s));
    CHECK(lease.file(at(2s)).stop_at == 508s);
    CHECK(lease.held());
  };
  refuse([](auto& reply) { reply.ttl = 0s; });
  refuse([](auto& reply) { reply.ttl = kLongestTtl + 1s; });
  refuse([](auto& reply) { reply.stop_after = 0s; });
  refuse([](auto& reply) { reply.stop_after = 8001ms; });  // no time left to kill within the TTL
  refuse([](auto& reply) { reply.kill_budget = -1s; });
  refuse([](auto& reply) { reply.stop_after = 1s; });  // sent at 1 s, received at 2 s
}

TEST_CASE("a newer grant replaces a longer one") {
  Lease lease = fresh();
  auto long_grant = grant(lease.next_request(at(0s), true));
  long_grant.ttl = 10min;
  long_grant.stop_after = 9min;
  lease.accept(long_grant, at(0s));
  CHECK(lease.time_left(at(0s)) == 9min);
  lease.accept(grant(lease.next_request(at(1s), true)), at(1s));
  CHECK(lease.time_left(at(1s)) == 8s);
}

TEST_CASE("the request echoes the last grant only when it stands in the record") {
  Lease lease = fresh();
  const auto first = lease.next_request(at(0s), true);
  CHECK(first.echo_sequence == 0);
  lease.accept(grant(first), at(0s));
  const auto unrecorded = lease.next_request(at(1s), false);
  CHECK(unrecorded.echo_sequence == 0);
  CHECK(unrecorded.echo_mode == LeaseMode::keep);
  lease.set_watchdog(true, 5s, "");
  const auto recorded = lease.next_request(at(2s), true);
  CHECK(recorded.echo_sequence == first.sequence);
  CHECK(recorded.echo_mode == LeaseMode::stop);
  CHECK(recorded.watchdog_armed);
  CHECK(recorded.watchdog_timeout == 5s);
  CHECK(recorded.raw_clock == 102s);
  CHECK(recorded.boot_clock == 502s);
}

TEST_CASE("a restarted guard takes up the deadline of its predecessor") {
  Lease before = granted_at(0s);
  const wire::LeaseFile record = before.file(at(1s));

  SUBCASE("in time: held until the same deadline") {
    Lease after = fresh();
    after.adopt(record, at(2s));
    CHECK(after.held());
    CHECK(after.time_left(at(2s)) == 6s);
    CHECK(after.file(at(2s)).term == Term(7));
  }
  SUBCASE("too late: the guests are stopped first") {
    Lease after = fresh();
    after.adopt(record, at(8s));
    CHECK(after.stop_due());
    after.accept(grant(after.next_request(at(8s), true)), at(8s));
    CHECK_FALSE(after.held());
  }
  SUBCASE("of another boot: nothing") {
    Lease after(ClusterId("demo"), HostId("paris-1"), BootId("other"));
    after.adopt(record, at(2s));
    CHECK_FALSE(after.held());
    CHECK_FALSE(after.stop_due());
  }
  SUBCASE("lapsed before: the search goes on") {
    before.advance(at(8s));
    Lease after = fresh();
    after.adopt(before.file(at(8s)), at(9s));
    CHECK_FALSE(after.held());
    CHECK(after.stop_due());
  }
}
