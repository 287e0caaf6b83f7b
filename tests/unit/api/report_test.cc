// What the audit adds up to: who was at work for whom.
#include "api/report.h"

#include <doctest/doctest.h>

#include "tests/unit/api/office.h"

using namespace bascule;
using namespace bascule::api;

namespace {

AuditEntry entry(std::int64_t at, const std::string& actor, const std::string& what,
                 const std::string& subject, const std::string& tenant, const std::string& words = "") {
  AuditEntry made;
  made.at = {at};
  made.record = {actor, what, subject, Reason::requested, words, "", {}, TenantId(tenant)};
  if (what == "open_access") made.record.facts["category"] = "incident";
  return made;
}

AccessReporter of_a_day(const std::string& tenant = "") {
  AccessReporter reporter({1000}, {9000}, TenantId(tenant));
  reporter.take(entry(999, "alice", "open_access", "access/a0", "acme", "too early to count"));
  reporter.take(entry(1000, "alice", "open_access", "access/a1", "acme", "the shop is slow"));
  reporter.take(entry(1100, "alice", "look_at", "vm/1", "acme"));
  reporter.take(entry(1200, "alice", "look_at", "vm/1", "acme"));
  reporter.take(entry(1300, "alice", "stop_vm", "vm/1", "acme"));
  reporter.take(entry(1400, "acme/anna", "start_vm", "vm/1", "acme"));
  reporter.take(entry(1500, "engine", "now_running", "vm/1", "acme"));
  reporter.take(entry(1600, "alice", "end_access", "access/a1", "acme"));
  reporter.take(entry(1700, "alice", "refuse_access", "vm/1", "acme"));
  reporter.take(entry(1800, "bob", "open_access", "access/a2", "other", "the shop is slow"));
  reporter.take(entry(1900, "bob", "look_at", "vm/2", "other"));
  return reporter;
}

}  // namespace

TEST_CASE("a report counts what somebody did while they were at work") {
  const AccessReport report = of_a_day().report();
  REQUIRE(report.items.size() == 2);
  CHECK(report.items[0].by == OperatorId("alice"));
  CHECK(report.items[0].category == "incident");
  CHECK(report.items[0].looks == 2);
  CHECK(report.items[0].changes == 1);
  CHECK(report.items[0].ended == WallTime{1600});
  CHECK_FALSE(report.items[1].ended);
  REQUIRE(report.refused.size() == 1);
  CHECK(report.refused[0].times == 1);
  REQUIRE(report.reused.size() == 1);
  CHECK(report.reused[0].times == 2);
  CHECK(report.reused[0].by == std::vector{OperatorId("alice"), OperatorId("bob")});
}

TEST_CASE("a tenant's report tells of that tenant alone") {
  const AccessReport report = of_a_day("other").report();
  REQUIRE(report.items.size() == 1);
  CHECK(report.items[0].by == OperatorId("bob"));
  CHECK(report.refused.empty());
  CHECK(report.reused.empty());
}

TEST_CASE("both sides ask for their report") {
  Office office;
  const std::string anna = office.owner("acme");
  const std::string emil = office.owner("other", "emil");
  const auto opened = office.ask_as_staff(
      "POST", "/v1/access",
      R"({"tenant": "acme", "category": "incident", "reason": "the shop answers slowly", "minutes": 30})");
  REQUIRE(opened.status < 300);
  const auto own = office.ask("GET", "/v1/reports/access", "", anna);
  REQUIRE(own.status == 200);
  REQUIRE(own.body["items"].size() == 1);
  CHECK(own.body["items"][0]["reason"] == "the shop answers slowly");
  CHECK(office.ask("GET", "/v1/reports/access", "", emil).body["items"].empty());
  CHECK(office.ask_as_staff("GET", "/v1/reports/access?days=1").body["items"].size() == 1);
  CHECK(office.ask_as_staff("GET", "/v1/reports/access?days=367").status == 400);
}

TEST_CASE("the audit is asked for who, what, on what and by which request") {
  Office office;
  const std::string anna = office.owner("acme");
  const auto asked = [&](const std::string& query, const std::string& token = "") {
    const auto reply = token.empty() ? office.ask_as_staff("GET", "/v1/audit?limit=1000&" + query)
                                     : office.ask("GET", "/v1/audit?limit=1000&" + query, "", token);
    REQUIRE(reply.status == 200);
    return reply.body["items"];
  };
  const auto all = asked("");
  REQUIRE(all.size() > 4);
  for (const auto& entry : asked("who=alice")) CHECK(entry["actor"] == "alice");
  CHECK(asked("what=create_tenant").size() == 2);
  CHECK(asked("what=create_tenant&on=tenant%2Facme").size() == 1);
  CHECK(asked("what=create_tenant&who=bob").empty());
  CHECK(asked("request=r1").size() == 1);
  CHECK(asked("until=1").empty());
  CHECK(asked("since=1").size() == all.size());
  CHECK(asked("what=create_tenant", anna).size() == 1);
  CHECK(asked("on=tenant%2Fother", anna).empty());
  CHECK(office.ask_as_staff("GET", "/v1/audit?since=yesterday").status == 400);
}
