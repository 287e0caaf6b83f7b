// What peers say of a silent host, and what follows.
#include <doctest/doctest.h>

#include "failover/brake.h"
#include "failover/fault_detector.h"
#include "failover/site.h"

namespace {

using namespace bascule;

struct Cluster {
  State state;
  Policy policy;
  Instant now{100s};

  Cluster() {
    policy.longest_stall = 500ms;  // so that two heartbeats of silence confirm
    for (const char* name : {"paris-1", "paris-2", "lyon-1", "lyon-2"}) {
      Host& host = state.hosts[HostId(name)];
      host.record.id = HostId(name);
      host.record.site = SiteId(std::string(name).substr(0, std::string(name).find('-')));
      host.record.phase = HostPhase::up;
      host.record.boot_id = BootId("b");
      host.live.last_heard = now;
      host.live.session_since = Instant{10s};
    }
    lost("paris-1");
  }
  Host& host(const char* name) { return state.hosts.at(HostId(name)); }
  void lost(const char* name) {
    host(name).record.phase = HostPhase::suspect;
    host(name).live.last_heard = now - 3s;
    for (auto& [id, peer] : state.hosts)
      if (id != HostId(name)) sees(name, id.value.c_str(), 2500ms, 100ms);
  }
  // `peer` told `told_ago` that `name` had answered it `seen_ago`.
  void sees(const char* name, const char* peer, Duration seen_ago, Duration told_ago) {
    host(name).live.seen_by[HostId(peer)] = now - seen_ago;
    host(name).live.sighting_at[HostId(peer)] = now - told_ago;
  }
  Weighing weigh_it() { return weigh(state, host("paris-1"), now, policy); }
};

using Verdict = Weighing::Verdict;

}  // namespace

TEST_CASE("no peer sees it: fence") {
  Cluster c;
  const Weighing w = c.weigh_it();
  CHECK(w.verdict == Verdict::fence);
  CHECK(w.facts.at("peer/lyon-1") == "sees nothing");
}

TEST_CASE("one peer that sees it keeps it from being fenced, and people are told when it lasts") {
  Cluster c;
  c.sees("paris-1", "lyon-2", 400ms, 300ms);
  c.host("paris-1").live.last_heard = c.now - c.policy.hold_after();
  CHECK(c.weigh_it().verdict == Verdict::wait);
  c.host("paris-1").live.last_heard = c.now - c.policy.hold_after() - 1ms;
  CHECK(c.weigh_it().verdict == Verdict::hold);
  CHECK(c.weigh_it().reason == Reason::peer_sees_it);
}

TEST_CASE("each site with a host up must confirm") {
  Cluster c;
  for (const char* peer : {"lyon-1", "lyon-2"}) c.sees("paris-1", peer, 2500ms, 2200ms);  // old reports
  CHECK(c.weigh_it().verdict == Verdict::wait);
  c.sees("paris-1", "lyon-2", 2500ms, 100ms);
  CHECK(c.weigh_it().verdict == Verdict::fence);
  c.sees("paris-1", "paris-2", 2500ms, 2200ms);
  CHECK(c.weigh_it().verdict == Verdict::wait);
  c.host("paris-2").record.phase = HostPhase::suspect;  // itself in doubt: it needn't confirm
  CHECK(c.weigh_it().verdict == Verdict::fence);
}

TEST_CASE("a report counts only when it came after the silence began, and the silence was long enough") {
  Cluster c;
  const Host& peer = c.host("lyon-1");
  CHECK(sighting_of(c.host("paris-1"), peer, c.now, c.policy) == Sighting::confirms);
  c.sees("paris-1", "lyon-1", 2500ms, 600ms);  // 1.9 s of silence when told
  CHECK(sighting_of(c.host("paris-1"), peer, c.now, c.policy) == Sighting::undecided);
  c.sees("paris-1", "lyon-1", 9s, 2500ms);  // told within a probe of our last heartbeat
  CHECK(sighting_of(c.host("paris-1"), peer, c.now, c.policy) == Sighting::undecided);
  c.host("paris-1").live.sighting_at.clear();
  CHECK(sighting_of(c.host("paris-1"), peer, c.now, c.policy) == Sighting::undecided);
}

TEST_CASE("a link that stalls for two seconds confirms nothing, a longer silence does") {
  Cluster c;
  c.policy = Policy{};
  const Host& peer = c.host("lyon-1");
  c.sees("paris-1", "lyon-1", 3050ms, 100ms);  // 2 s of stall, and almost a heartbeat until it was told
  CHECK(sighting_of(c.host("paris-1"), peer, c.now, c.policy) == Sighting::undecided);
  c.sees("paris-1", "lyon-1", 3150ms, 100ms);
  CHECK(sighting_of(c.host("paris-1"), peer, c.now, c.policy) == Sighting::confirms);
  CHECK(fast_profile().peer_silence() == 2200ms);
}

TEST_CASE("a peer that has just come counts from its coming") {
  Cluster c;
  c.host("paris-1").live.seen_by.erase(HostId("lyon-1"));
  CHECK(sighting_of(c.host("paris-1"), c.host("lyon-1"), c.now, c.policy) == Sighting::confirms);
  c.host("lyon-1").live.session_since = c.now - 1s;
  CHECK(sighting_of(c.host("paris-1"), c.host("lyon-1"), c.now, c.policy) == Sighting::undecided);
}

TEST_CASE("nobody at all is heard: the fault is ours") {
  Cluster c;
  for (const char* name : {"paris-2", "lyon-1", "lyon-2"}) c.host(name).live.last_heard = c.now - 3s;
  CHECK(c.weigh_it().verdict == Verdict::wait);
  CHECK(c.weigh_it().reason == Reason::manager_isolated);
  c.host("paris-1").live.last_heard = c.now - c.policy.hold_after() - 1ms;
  CHECK(c.weigh_it().verdict == Verdict::hold);
  for (const char* name : {"paris-2", "lyon-1", "lyon-2"}) c.host(name).record.phase = HostPhase::down;
  CHECK(c.weigh_it().reason == Reason::manager_isolated);
}

TEST_CASE("what nobody confirms for long is held") {
  Cluster c;
  for (const char* peer : {"paris-2", "lyon-1", "lyon-2"}) c.sees("paris-1", peer, 2500ms, 2200ms);
  CHECK(c.weigh_it().verdict == Verdict::wait);
  c.host("paris-1").live.last_heard = c.now - c.policy.hold_after() - 1ms;
  CHECK(c.weigh_it().verdict == Verdict::hold);
}

TEST_CASE("the brake allows the larger of count and share, never less than one host") {
  Cluster c;
  c.policy.brake_hosts = 1;
  c.policy.brake_site_percent = 0;
  const SiteId paris("paris");
  CHECK(check_brake(c.state, paris, c.now, c.policy).allowed);
  c.state.fences = {c.now - 10s};
  CHECK_FALSE(check_brake(c.state, paris, c.now, c.policy).allowed);
  c.policy.brake_site_percent = 100;
  CHECK(check_brake(c.state, paris, c.now, c.policy).allowed);
  c.policy.brake_site_percent = 0;
  c.policy.brake_hosts = 0;
  c.state.fences = {c.now - c.policy.brake_window};
  CHECK(check_brake(c.state, paris, c.now, c.policy).allowed);
}

TEST_CASE("a site is lost when each of its hosts is, and each host elsewhere confirms it") {
  Cluster c;
  const SiteId paris("paris");
  CHECK_FALSE(is_site_lost(c.state, paris, c.now, c.policy));
  c.lost("paris-2");
  CHECK(is_site_lost(c.state, paris, c.now, c.policy));
  c.sees("paris-2", "lyon-2", 2500ms, 2200ms);
  CHECK_FALSE(is_site_lost(c.state, paris, c.now, c.policy));
  c.host("lyon-2").record.phase = HostPhase::suspect;
  CHECK(is_site_lost(c.state, paris, c.now, c.policy));
  c.host("lyon-1").record.phase = HostPhase::suspect;  // nobody is left to tell
  CHECK_FALSE(is_site_lost(c.state, paris, c.now, c.policy));
}
