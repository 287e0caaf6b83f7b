// How a host gets its certificates, and how it loses them.
#include "failover/enrolment.h"

#include <doctest/doctest.h>

#include "tests/unit/failover/tenancy.h"

namespace {

using namespace bascule;

const HostId kJoiner("paris-1");

struct Joining : bascule::test::Tenancy {
  Joining() : bascule::test::Tenancy({"paris-1", "lyon-1"}) {}

  void invite(const std::string& secret = "secret") {
    const Asked by = asked();
    REQUIRE(said(by, InviteHost{by, kJoiner, secret}) == "");
  }
  std::string enrol(const std::string& secret, const std::string& serial, const HostId& host = kJoiner) {
    const Asked by = asked("host:" + host.value);
    return said(by, EnrolHost{by, host, secret, {serial, serial + "G"}});
  }
  std::string renew(const std::string& serial, const std::string& present) {
    const Asked by = asked("host:paris-1");
    return said(by, RenewCertificates{by, kJoiner, {serial, serial + "G"}, present});
  }
  bool counts(const std::string& serial) const { return why_shut_out(state, kJoiner, serial).empty(); }
};

}  // namespace

TEST_CASE_FIXTURE(Joining, "an invitation is good once, for its host, for an hour") {
  CHECK(counts("by hand"));
  invite();
  CHECK(enrol("guessed", "A") == "this invitation is not, or no longer, good");
  CHECK_FALSE(enrol("secret", "A", HostId("lyon-1")).empty());
  CHECK_FALSE(enrol("secret", "A", HostId("nowhere-1")).empty());
  CHECK(enrol("secret", "A") == "");
  CHECK_FALSE(enrol("secret", "B").empty());
  CHECK(counts("A"));
  CHECK(counts("AG"));
  CHECK_FALSE(counts("by hand"));
  CHECK_FALSE(counts("B"));

  invite("late");
  run(3601s);
  CHECK_FALSE(enrol("late", "C").empty());
  CHECK(counts("A"));
}

TEST_CASE_FIXTURE(Joining, "renewed certificates count beside those before them, and not beside older ones") {
  invite();
  REQUIRE(enrol("secret", "A") == "");
  CHECK(renew("B", "A") == "");
  CHECK((counts("A") && counts("AG") && counts("B") && counts("BG")));
  CHECK(renew("C", "B") == "");
  CHECK_FALSE(counts("A"));
  CHECK((counts("B") && counts("C")));

  // Answers that never arrive: it still comes with what it has.
  for (const char* lost : {"D", "E", "F"}) CHECK(renew(lost, "C") == "");
  CHECK((counts("C") && counts("CG") && counts("F")));
  CHECK_FALSE(counts("D"));
}

TEST_CASE_FIXTURE(Joining, "a host that was expelled has nothing that counts until it is invited again") {
  invite();
  REQUIRE(enrol("secret", "A") == "");
  invite("another");
  const Asked by = asked("alice", "stolen from the rack");
  CHECK(said(by, ExpelHost{by, kJoiner}) == "");
  CHECK_FALSE(counts("A"));
  CHECK_FALSE(counts("by hand"));
  CHECK(renew("B", "A").find("expelled") != std::string::npos);
  CHECK_FALSE(enrol("another", "B").empty());
  CHECK(why_shut_out(state, HostId("lyon-1"), "any").empty());

  restart_manager();
  run(2s);
  CHECK_FALSE(counts("A"));
  invite("again");
  CHECK(enrol("again", "C") == "");
  CHECK(counts("C"));
  CHECK_FALSE(counts("A"));
}

TEST_CASE_FIXTURE(Joining, "only who operates hosts invites and expels them") {
  const Asked anna = by_anna();
  CHECK_FALSE(said(anna, InviteHost{anna, kJoiner, "secret"}).empty());
  const Asked mallory = asked("mallory");
  CHECK_FALSE(said(mallory, ExpelHost{mallory, kJoiner}).empty());
  CHECK_FALSE(state.hosts.at(kJoiner).record.invitation);
  CHECK(counts("any"));
}
