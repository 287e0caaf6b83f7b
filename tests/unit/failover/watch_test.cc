// Who is refused, fails to sign in, or looks around more often than is usual; and the week's report.
#include "failover/access/watch.h"

#include <doctest/doctest.h>

#include "tests/scenarios/world.h"

namespace {

using namespace bascule;
using bascule::test::World;

struct Office : World {
  Office() {
    inventory.staff = {{OperatorId("alice"), {StaffRole::administrator}},
                       {OperatorId("nadia"), {StaffRole::noc}}};
    add_site("paris");
    add_site("lyon");
    add_host("paris-1", "paris");
    start();
    send(CreateTenant{asked("alice"), TenantId("acme")});
  }

  void fail_to_sign_in(const std::string& who) {
    send(NoteAccess{asked(who), "sign in, from 203.0.113.7", "user/" + who, "wrong password or code"});
  }
  void be_refused(const std::string& who) {
    send(NoteAccess{asked(who), "GET /v1/audit", "api", "not allowed"});
  }
  void look(const std::string& who, int machine) {
    send(NoteAccess{asked(who), "GET /v1/vms/{id}", "vm/" + std::to_string(machine), ""});
  }
  void open(const std::string& reason) {
    send(OpenAccess{asked("alice", reason), TenantId("acme"), AccessCategory::maintenance, 1h});
  }
  std::vector<std::string> told(NoticeKind kind) const {
    std::vector<std::string> details;
    for (const Notify& notice : notices)
      if (notice.kind == kind) details.push_back(notice.facts.at("detail"));
    return details;
  }
  std::vector<std::string> alerts() const { return told(NoticeKind::access_alert); }
  void next_week() {
    later_ms += std::int64_t{7} * 24 * 3600 * 1000;
    run(2s);
  }
};

}  // namespace

TEST_CASE("the tenth failed sign-in within ten minutes is told, once in an hour") {
  Office office;
  for (int i = 0; i < 9; ++i) office.fail_to_sign_in("acme/anna");
  office.fail_to_sign_in("acme/emil");
  CHECK(office.alerts().empty());
  office.fail_to_sign_in("acme/anna");
  REQUIRE(office.alerts().size() == 1);
  CHECK(office.alerts()[0] ==
        "acme/anna failed to sign in 10 times within 10 minutes; the last: sign in, from 203.0.113.7");
  for (int i = 0; i < 30; ++i) office.fail_to_sign_in("acme/anna");
  CHECK(office.alerts().size() == 1);
  office.run(3601s);
  for (int i = 0; i < 10; ++i) office.fail_to_sign_in("acme/anna");
  CHECK(office.alerts().size() == 2);
}

TEST_CASE("failures that are spread over time are not out of the ordinary") {
  Office office;
  for (int i = 0; i < 18; ++i) {
    office.fail_to_sign_in("acme/anna");
    office.run(80s);
  }
  CHECK(office.alerts().empty());
}

TEST_CASE("refusals count whoever refuses: the API, or the engine") {
  Office office;
  for (int i = 0; i < 5; ++i) office.be_refused("nadia");
  for (int i = 0; i < 4; ++i) office.send(CreateTenant{office.asked("nadia"), TenantId("more")});
  CHECK(office.alerts().empty());
  office.send(CreateTenant{office.asked("nadia"), TenantId("more")});
  REQUIRE(office.alerts().size() == 1);
  CHECK(office.alerts()[0] == "nadia was refused 10 times within 10 minutes; the last: tenant/more");
}

TEST_CASE("who looks at fifty machines within ten minutes is told of, who looks at one often isn't") {
  Office office;
  for (int i = 0; i < 200; ++i) office.look("alice", i % 49);
  CHECK(office.alerts().empty());
  office.look("alice", 49);
  REQUIRE(office.alerts().size() == 1);
  CHECK(office.alerts()[0] == "alice looked at 50 machines of tenants within 10 minutes");
}

TEST_CASE(
    "of many at once the audit tells all, notices only some; but nobody hides the staff, or other tenants") {
  Office office;
  for (int who = 0; who < 30; ++who)
    for (int i = 0; i < 10; ++i) office.fail_to_sign_in("acme/u" + std::to_string(who));
  CHECK(office.alerts().size() == 5);
  CHECK(office.state.cluster.access_week.alerts == 30);
  for (int who = 0; who < 500; ++who) office.fail_to_sign_in("acme/v" + std::to_string(who));
  CHECK(office.state.access_watches.size() <= 80);
  for (int i = 0; i < 10; ++i) office.fail_to_sign_in("other/emil");
  CHECK(office.alerts().size() == 6);
  for (int i = 0; i < 10; ++i) office.be_refused("nadia");
  for (int i = 0; i < 50; ++i) office.look("alice", i);
  CHECK(office.alerts().size() == 8);
}

TEST_CASE("on Monday the week is told, also that nobody was at work") {
  Office office;
  office.open("the shop answers slowly since noon");
  office.open("The shop answers  slowly since NOON");
  office.open("another look at their disks");
  for (int i = 0; i < 3; ++i) office.be_refused("nadia");
  CHECK(office.told(NoticeKind::access_report).empty());
  office.next_week();
  REQUIRE(office.told(NoticeKind::access_report).size() == 1);
  CHECK(office.told(NoticeKind::access_report)[0] ==
        "At work for tenants:\n    3 × alice for acme, maintenance\n"
        "Reasons that were given more than once, word for word:\n    2 × the shop answers slowly since noon\n"
        "Refused: 3. Alerts: 0.");
  office.next_week();
  REQUIRE(office.told(NoticeKind::access_report).size() == 2);
  CHECK(office.told(NoticeKind::access_report)[1] ==
        "Nobody of the provider was at work for a tenant.\nRefused: 0. Alerts: 0.");
  office.run(2h);
  CHECK(office.told(NoticeKind::access_report).size() == 2);
}

TEST_CASE_FIXTURE(Office,
                  "what the manager lives on and ends soon is told once, and forgotten when it was renewed") {
  send(EndsSoon{"crl", "the list ends at noon"});
  send(EndsSoon{"crl", "the list ends at noon"});
  CHECK(told(NoticeKind::ends_soon) == std::vector<std::string>{"the list ends at noon"});
  CHECK(state.ending.size() == 1);
  send(EndsSoon{"crl", ""});
  CHECK(state.ending.empty());
  send(EndsSoon{"crl", "the next one ends at noon"});
  CHECK(told(NoticeKind::ends_soon).size() == 2);
}
