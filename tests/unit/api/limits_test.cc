// The bounds on what tenants' users may ask: failed sign-ins, requests, waiting ones.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "api/sign_in_throttle.h"
#include "api/token_use.h"
#include "api/waits.h"

using namespace bascule;
using namespace bascule::api;

TEST_CASE("who fails to sign in waits, longer each time, by account and by network") {
  SignInThrottle throttle;
  const Instant now{100s};
  const auto fail = [&](int times, const std::string& account, const std::string& source) {
    for (int i = 0; i < times; ++i) throttle.failed(account, source, now);
  };
  fail(3, "acme/anna", "203.0.113.7");
  CHECK(throttle.wait("acme/anna", "203.0.113.8", now) == 0s);
  fail(1, "acme/anna", "203.0.113.7");
  CHECK(throttle.wait("acme/anna", "203.0.113.8", now) == 1s);
  fail(3, "acme/anna", "203.0.113.7");
  CHECK(throttle.wait("acme/anna", "203.0.113.8", now) == 8s);
  fail(20, "acme/anna", "203.0.113.7");
  CHECK(throttle.wait("acme/anna", "203.0.113.8", now) == 30s);  // or strangers could keep her out
  CHECK(throttle.wait("acme/bert", "203.0.113.7", now) > 30s);
  throttle.succeeded("acme/anna");
  CHECK(throttle.wait("acme/anna", "203.0.113.8", now) == 0s);
  for (int i = 0; i < 40; ++i) throttle.failed_at("2001:db8:0:7::" + std::to_string(i), now);
  CHECK(throttle.wait("acme/anna", "2001:db8:0:7:ffff::1", now) == 15min);
  CHECK(throttle.wait("acme/anna", "2001:db8:0:8::1", now) == 0s);
}

TEST_CASE("requests that are held open have their number") {
  Waits waits(2, 8);
  std::vector<std::shared_ptr<Waits::Place>> held;
  for (int user = 0; user < 4; ++user)
    for (int i = 0; i < 2; ++i)
      held.push_back(waits.take(OperatorId("acme/" + std::to_string(user)), TenantId("acme")));
  for (const auto& place : held) CHECK(place);
  CHECK_FALSE(waits.take(OperatorId("acme/0"), TenantId("acme")));
  CHECK_FALSE(waits.take(OperatorId("acme/9"), TenantId("acme")));
  CHECK(waits.take(OperatorId("other/eve"), TenantId("other")));
  held[0]->release();
  held[0]->release();
  CHECK(waits.take(OperatorId("acme/0"), TenantId("acme")));
  held.clear();
  CHECK(waits.take(OperatorId("acme/9"), TenantId("acme")));
}

TEST_CASE("reads are cheap, changes and refusals dear, for each user and for each tenant") {
  TokenUse use;
  const TokenUse::Caller anna{TokenId("t1"), OperatorId("acme/anna"), TenantId("acme")};
  const Instant now{100s};
  const auto many = [&](const TokenUse::Caller& caller, int cost) {
    int went = 0;
    while (went < 5000 && use.note(caller, cost, now, WallTime{5}) == 0s) ++went;
    return went;
  };
  CHECK(many(anna, TokenUse::kRead) == 200);
  CHECK(use.note(anna, TokenUse::kRead, now, WallTime{5}) == 20ms);
  CHECK(use.left(anna.user, now).left == 0);
  CHECK(use.left(anna.user, now).most == 200);
  CHECK(use.left(anna.user, now + 2s).left == 100);
  CHECK(use.left(anna.user, now).full == 4s);
  CHECK(use.left(OperatorId("acme/bert"), now).left == 200);
  CHECK(use.note(anna, TokenUse::kRead, now + 20ms, WallTime{6}) == 0s);
  CHECK(use.last(TokenId("t1"))->unix_ms == 6);
  CHECK_FALSE(use.last(TokenId("t2")));
  int of_tenant = 200;
  for (int i = 0; i < 20; ++i) {
    const std::string name = std::to_string(i);
    of_tenant += many({TokenId(name), OperatorId("acme/" + name), TenantId("acme")}, TokenUse::kRead);
  }
  CHECK(of_tenant == 1999);  // one was paid a moment later
  CHECK(many({TokenId("e"), OperatorId("other/eve"), TenantId("other")}, TokenUse::kChange) == 20);
}
