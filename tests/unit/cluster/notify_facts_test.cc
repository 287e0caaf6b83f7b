// Notices as they are sent: the engine's own facts in the catalogue's words, nothing left empty.
#include <doctest/doctest.h>

#include "cluster/gsm7.h"
#include "cluster/outbox.h"
#include "failover/failback.h"
#include "tests/scenarios/world.h"

using namespace bascule;
using bascule::test::World;

namespace {

Notice composed(const Notify& notify, Language language) {
  OutboxRecord record;
  record.kind = notify.kind;
  record.incident = notify.incident;
  record.facts = notify.facts;
  OutboxOptions options;
  options.cluster = "demo";
  options.language = language;
  return notice_of(record, options);
}

bool has_gap(const std::string& text) {
  for (const char* gap : {"  to ", " to \n", "at :", "on  ", "of  ", "{", "host  ", "site  "})
    if (text.find(gap) != std::string::npos) return true;
  return text.ends_with(' ');
}

// paris-1 dies with two VMs, both are switched, one comes home; one more is given up.
std::vector<Notify> a_full_day() {
  World world;
  world.add_site("paris");
  world.add_site("lyon");
  for (const char* name : {"paris-1", "paris-2"}) world.add_host(name, "paris");
  world.add_host("lyon-1", "lyon");
  world.start();
  world.create("web-1", "paris");
  world.run(5s);
  world.crash(HostId("paris-1"));
  world.run(30s);
  world.boot(HostId("paris-1"));
  world.run(10s);
  world.send(ClearHost{world.asked("alice", "it was the power"), HostId("paris-1")});
  world.send(PlanFailback{world.asked(), {}});
  const FailbackPlan plan = world.state.plans.rbegin()->second;
  world.send(ApproveFailback{world.asked("bob", "paris is quiet again"), plan.id, plan.digest});
  world.run(30s);
  const VmId vm = world.state.vm_names.at("web-1");
  for (int i = 0; i < 5; ++i) {
    const HostId owner = *world.vm("web-1").record.placement.owner;
    if (world.machines[owner].domains.contains(vm)) world.domain_ends(owner, vm, wire::DomainCause::crashed);
    world.run(3s);
  }
  world.send(TestNotices{world.asked()});
  world.machines[HostId("lyon-1")].bmc_alive = false;
  world.run(120s);
  return world.notices;
}

}  // namespace

TEST_CASE("each notice of a full day names its place, in mail and SMS, in both languages") {
  const std::vector<Notify> notices = a_full_day();
  std::set<NoticeKind> kinds;
  for (const Notify& notify : notices) {
    kinds.insert(notify.kind);
    for (const Language language : {Language::en, Language::fr}) {
      const Notice notice = composed(notify, language);
      CAPTURE(notice.sms_text);
      CHECK_FALSE(has_gap(notice.subject));
      CHECK_FALSE(has_gap(notice.sms_text));
      CHECK(gsm7::septets(notice.sms_text) <= gsm7::kOneMessage);
      CHECK_MESSAGE(notice.text.find("    \n") == std::string::npos, notice.text);
    }
    if (notify.kind == NoticeKind::vms_switched)
      CHECK(composed(notify, Language::en).subject == "[Bascule demo] 1 VM switched from paris-1 to lyon");
    if (notify.kind == NoticeKind::failback_done)
      CHECK(composed(notify, Language::en).sms_text.find("1 VM home at paris: web-1") != std::string::npos);
  }
  for (const NoticeKind kind :
       {NoticeKind::host_lost, NoticeKind::vms_switched, NoticeKind::host_returned, NoticeKind::failback_done,
        NoticeKind::vm_restarted, NoticeKind::vm_failed, NoticeKind::fencing_not_ready, NoticeKind::test})
    CHECK_MESSAGE(kinds.contains(kind), name_of(kind));
}
