// Who may do what: roles, reasons, access sessions; and the whole table of it, as a golden file.
#include "failover/access/authorize.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "failover/access/needs.h"
#include "tests/scenarios/world.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace {

using namespace bascule;
using bascule::test::World;

const TenantId kAcme("acme");
constexpr const char* kGoodReason = "the shop answers slowly since noon";

void begin_with_acme(World& world) {
  world.inventory.staff = {{OperatorId("alice"), {StaffRole::administrator}},
                           {OperatorId("bob"), {StaffRole::administrator}},
                           {OperatorId("nadia"), {StaffRole::noc}},
                           {OperatorId("olga"), {StaffRole::security_officer}},
                           {OperatorId("paul"), {StaffRole::auditor}}};
  for (const char* site : {"paris", "lyon"}) {
    world.add_site(site);
    world.add_host(std::string(site) + "-1", site);
  }
  world.start();
  world.send(CreateTenant{world.asked("alice"), kAcme});
}

Answer last_answer(const World& world, const RequestId& request) { return world.answers.at(request.value); }

std::optional<Error> ask(World& world, const std::string& who, const std::string& reason,
                         const std::function<EventBody(const Asked&)>& make) {
  const Asked asked = world.asked(who, reason);
  world.send(make(asked));
  world.run(2s);
  return last_answer(world, asked.request).error;
}

std::optional<Error> open(World& world, const std::string& who, const std::string& reason,
                          Duration length = 1h) {
  return ask(world, who, reason, [&](const Asked& asked) {
    return OpenAccess{asked, kAcme, AccessCategory::incident, length};
  });
}

VmId machine_of(World& world, const TenantId& tenant) {
  const VmId id = world.create("web-1", "paris");
  world.run(5s);
  world.state.vms.at(id).record.spec.tenant = tenant;  // as if made for it
  return id;
}

std::optional<Error> stop(World& world, const std::string& who, const VmId& id) {
  return ask(world, who, "", [&](const Asked& asked) { return StopVmAsked{asked, id}; });
}

}  // namespace

TEST_CASE("an access session names the ticket that it is about, if that is one") {
  World world;
  begin_with_acme(world);
  const auto open_for = [&](const std::string& ticket) {
    return ask(world, "alice", "looking after the shop", [&](const Asked& asked) {
      return OpenAccess{asked, kAcme, AccessCategory::incident, 1h, ticket};
    });
  };
  CHECK(open_for("<b>INC</b>"));
  CHECK(open_for(std::string(65, '7')));
  CHECK_FALSE(open_for("INC-4711"));
  REQUIRE(world.state.directory.access.size() == 1);
  CHECK(world.state.directory.access.begin()->second.ticket == "INC-4711");
}

TEST_CASE("a reason has three different words that the category doesn't give") {
  const auto problem = [](const char* reason) {
    return problem_of_reason(AccessCategory::asked_by_tenant, reason);
  };
  CHECK(problem("") != "");
  CHECK(problem("asked by tenant") != "");
  CHECK(problem("Tenant asked, asked by tenant: disk") != "");
  CHECK(problem("disk disk DISK disk. full") != "");
  CHECK(problem("- - - -") != "");
  CHECK(problem("their disk is full") == "");
  CHECK(problem("le disque déborde") == "");
}

TEST_CASE("a tenant's machine needs a reason first, until the session ends") {
  World world;
  begin_with_acme(world);
  const VmId vm = machine_of(world, kAcme);
  REQUIRE(stop(world, "alice", vm));
  CHECK(stop(world, "alice", vm)->code == ErrorCode::reason_required);
  CHECK(world.state.vms.at(vm).record.phase == VmPhase::running);

  CHECK(open(world, "alice", "too short")->code == ErrorCode::invalid);
  CHECK(open(world, "alice", kGoodReason, 9h)->code == ErrorCode::invalid);
  REQUIRE_FALSE(open(world, "alice", kGoodReason, 10min));
  CHECK(stop(world, "bob", vm)->code == ErrorCode::reason_required);  // a session is one person's
  CHECK_FALSE(stop(world, "alice", vm));
  world.run(11min);
  CHECK(world.state.directory.access.empty());
  CHECK(stop(world, "alice", vm)->code == ErrorCode::reason_required);
}

TEST_CASE(
    "an access session is ended by its person, replaced by a new one, and doesn't outlive the manager") {
  World world;
  begin_with_acme(world);
  REQUIRE_FALSE(open(world, "alice", kGoodReason));
  const AccessId first = world.state.directory.access.begin()->first;
  REQUIRE_FALSE(open(world, "alice", "the shop is slow again"));
  REQUIRE(world.state.directory.access.size() == 1);
  const AccessId second = world.state.directory.access.begin()->first;
  CHECK(first != second);
  const auto end = [&](const char* who) {
    return ask(world, who, "", [&](const Asked& asked) { return EndAccess{asked, second}; });
  };
  CHECK(end("bob")->code == ErrorCode::not_found);
  CHECK_FALSE(end("alice"));
  CHECK(world.state.directory.access.empty());

  REQUIRE_FALSE(open(world, "bob", kGoodReason));
  world.restart_manager();
  world.run(2s);
  CHECK(world.state.directory.access.empty());
}

TEST_CASE("a new manager ends hundreds of access sessions, no more in a step than a commit takes") {
  World world;
  begin_with_acme(world);
  AccessSession session;
  session.by = OperatorId("alice");
  for (int i = 0; i < 300; ++i) {
    session.id = AccessId("a" + std::to_string(i));
    session.tenant = TenantId("tenant-" + std::to_string(i));
    world.state.directory.access[session.id] = session;
  }
  world.restart_manager();
  const Outcome outcome = step(world.state, {Tick{}, WallTime{}}, world.now + 1s, world.policy);
  CHECK(outcome.touched.size() == 80);
  CHECK(outcome.next.directory.access.size() ==
        141);  // the first 80 by its first Tick; that noted the week too
  world.run(5s);
  CHECK(world.state.directory.access.empty());
}

TEST_CASE("what is on another machine's disk can't be had by a second machine") {
  World world;
  begin_with_acme(world);
  const VmId theirs = machine_of(world, kAcme);
  world.state.vms.at(theirs).record.spec.disks = {{"metro", "shop.raw", 100}};
  VmSpec spec;
  spec.id = VmId("aaaaaaaa-0000-4000-8000-000000000002");
  spec.name = "reader";
  spec.home = SiteId("paris");
  spec.memory_mib = 64;
  const auto create = [&] {
    return ask(world, "alice", "", [&](const Asked& asked) { return CreateVm{asked, spec, false}; });
  };
  spec.disks = {{"metro", "own.raw", 100}, {"metro", "shop.raw", 100}};
  CHECK(create()->code == ErrorCode::invalid);
  spec.disks.clear();
  spec.kernel = KernelBoot{"metro", "vmlinuz", "shop.raw", ""};
  CHECK(create()->code == ErrorCode::invalid);
  spec.kernel->initrd = "initrd.img";
  CHECK_FALSE(create());
}

TEST_CASE("a machine can't be made for a tenant that doesn't exist") {
  World world;
  begin_with_acme(world);
  REQUIRE_FALSE(open(world, "alice", kGoodReason));
  VmSpec spec;
  spec.id = VmId("aaaaaaaa-0000-4000-8000-000000000001");
  spec.name = "acme/web-1";
  spec.home = SiteId("paris");
  spec.memory_mib = 64;
  spec.tenant = TenantId("nobody");
  const auto create = [&] {
    return ask(world, "alice", "", [&](const Asked& asked) { return CreateVm{asked, spec, false}; });
  };
  CHECK(create()->code == ErrorCode::reason_required);
  spec.tenant = kAcme;
  CHECK_FALSE(create());
  CHECK(world.state.vms.at(spec.id).record.spec.tenant == kAcme);
}

namespace {

constexpr const char* kImage = "aaaaaaaa-0000-4000-8000-0000000000a1";

TenantImage image_of_acme(const std::string& name,
                          const std::string& id = "aaaaaaaa-0000-4000-8000-0000000000a2") {
  TenantImage image;
  image.id = ImageId(id);
  image.tenant = kAcme;
  image.name = name;
  image.pool = "metro";
  image.bytes = 1;
  image.sha256 = std::string(64, 'a');
  return image;
}

// Every change that can be asked for.
std::vector<std::pair<std::string, EventBody>> changes(const Asked& asked, const VmId& vm) {
  VmSpec spec;
  spec.id = VmId("aaaaaaaa-0000-4000-8000-000000000009");
  const HostId host("lyon-1");
  return {{"create_vm", CreateVm{asked, spec, false}},
          {"start_vm", StartVmAsked{asked, vm}},
          {"stop_vm", StopVmAsked{asked, vm}},
          {"kill_vm", StopVmAsked{asked, vm, wire::StopHow::kill}},
          {"delete_vm", DeleteVm{asked, vm}},
          {"grow", ChangeVolumesAsked{asked, vm, wire::Grow{"gold", "disk", 128}}},
          {"take_snapshot", ChangeVolumesAsked{asked, vm, wire::TakeSnapshot{"s"}}},
          {"remove_snapshot", ChangeVolumesAsked{asked, vm, wire::RemoveSnapshot{"s"}}},
          {"roll_back", ChangeVolumesAsked{asked, vm, wire::RollBack{"s"}}},
          {"clear_host", ClearHost{asked, host}},
          {"invite_host", InviteHost{asked, host, "hash"}},
          {"expel_host", ExpelHost{asked, host}},
          {"power_host", PowerHost{asked, host, true}},
          {"drill_host", DrillHost{asked, host}},
          {"attest_down", AttestDown{asked, host, "s", BootId("b"), std::nullopt}},
          {"plan_failback", PlanFailback{asked, {}}},
          {"approve_failback", ApproveFailback{asked, PlanId("p"), "d"}},
          {"abort_failback", AbortFailback{asked, PlanId("p")}},
          {"test_notices", TestNotices{asked}},
          {"create_tenant", CreateTenant{asked, TenantId("other")}},
          {"open_access", OpenAccess{asked, kAcme, AccessCategory::legal, 1h}},
          {"end_access", EndAccess{asked, AccessId("x")}},
          {"accept_delivery", AcceptDelivery{asked, vm}},
          {"wish_return", WishReturn{asked, vm, {}}},
          {"change_vm", ChangeVm{asked, vm, "web-9", 128, 1, true}},
          {"open_console", OpenConsole{asked, vm}},
          {"cancel_operation", CancelOperation{asked, RequestId("under-way")}},
          {"announce_image", AnnounceImage{asked, image_of_acme("image-2")}},
          {"remove_image", RemoveImageAsked{asked, ImageId(kImage)}},
          {"set_rules", SetRules{asked, kAcme, {}}},
          {"set_contacts", SetContacts{asked, kAcme, {"ops@acme.example"}}},
          {"set_quota", SetQuota{asked, kAcme, {}}},
          {"invite_user", InviteUser{asked, kAcme, "new", {TenantRole::viewer}, std::string(64, 'a')}},
          {"set_role", SetRole{asked, kAcme, "night", {Permission::run_machines}}},
          {"change_user", ChangeUser{asked, OperatorId("acme/viewer"), {TenantRole::operates}, false}},
          {"remove_user", RemoveUser{asked, OperatorId("acme/viewer")}}};
}

// What who-may-do-what says; whether the change itself would go well is another matter.
std::string verdict_of(const Outcome& outcome) {
  for (const AuditRecord& record : outcome.audit)
    if (record.what == "refuse_access")
      return record.words.find("say why first") == std::string::npos ? "no" : "reason";
  return "yes";
}

struct Person {
  std::string label;
  OperatorId id;
  TokenId token;
};

// One of each role, the owner of another tenant, and somebody unknown.
std::vector<Person> people(State& state) {
  std::vector<Person> all;
  for (const auto& [id, roles] : state.directory.staff)
    if (id.value != "bob") all.push_back({std::string(name_of(roles.front())), id, TokenId()});
  all.push_back({"nobody", OperatorId("mallory"), TokenId()});
  const auto add = [&](const char* tenant, const std::string& name, TenantRole role) {
    TenantUser user;
    user.id = OperatorId(tenant + ("/" + name));
    user.tenant = TenantId(tenant);
    user.roles = {role};
    user.password = "$argon2id$";
    Token token;
    token.id = TokenId(user.id.value);
    token.user = user.id;
    token.expires = {INT64_MAX};
    all.push_back({user.id.value, user.id, token.id});
    state.directory.users[user.id] = user;
    state.directory.tokens[token.id] = token;
  };
  for (const auto& [role, name] : enum_names(TenantRole())) add("acme", std::string(name), role);
  add("other", "owner", TenantRole::owner);
  all.push_back({"an ended token", OperatorId("acme/owner"), TokenId("ended")});
  return all;
}

struct Where {
  const char* name;
  TenantId tenant;
  bool session;
  bool delivered;
};

}  // namespace

// BASCULE_UPDATE_GOLDEN=1 writes the file anew; read the difference as a change of who may do what.
TEST_CASE("who may ask for what") {
  World world;
  begin_with_acme(world);
  const VmId vm = machine_of(world, TenantId());
  const std::vector<Where> places{{"own", TenantId(), false, false},
                                  {"tenant", kAcme, false, false},
                                  {"with reason", kAcme, true, false},
                                  {"delivered", kAcme, true, true}};
  std::string text;
  for (const Person& person : people(world.state)) {
    text += person.label + "\n";
    const Asked asked{RequestId("r"), person.id, kGoodReason, person.token};
    for (const auto& [name, body] : changes(asked, vm)) {
      text += "  " + name + ":";
      for (const Where& place : places) {
        State state = world.state;
        state.vms.at(vm).record.spec.tenant = place.tenant;
        state.vms.at(vm).record.delivered = place.delivered;
        state.vms.at(vm).live.request = RequestId("under-way");
        AccessSession session;
        session.id = AccessId("x");
        session.by = person.token.empty() ? person.id : OperatorId("alice");
        session.tenant = kAcme;
        if (place.session) state.directory.access[session.id] = session;
        state.directory.images[ImageId(kImage)] = image_of_acme("image-1", kImage);
        state.directory.images[ImageId(kImage)].tenant = place.tenant;
        EventBody event = body;
        if (auto* create = std::get_if<CreateVm>(&event)) create->spec.tenant = place.tenant;
        if (auto* announce = std::get_if<AnnounceImage>(&event)) announce->image.tenant = place.tenant;
        const Outcome outcome = step(std::move(state), {event, WallTime{}}, world.now, world.policy);
        text += std::string(" ") + place.name + " " + verdict_of(outcome) + ",";
      }
      text.back() = '\n';
    }
  }
  const std::string path = std::string(BASCULE_SOURCE_DIR) + "/tests/golden/access/changes.txt";
  if (std::getenv("BASCULE_UPDATE_GOLDEN")) ::test::write_file(path, text);
  CHECK_MESSAGE(::test::read_file(path) == text, path << " differs: is that meant?");
}
