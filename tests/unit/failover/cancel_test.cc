// A start that is called back.
#include <doctest/doctest.h>

#include "failover/operator.h"
#include "tests/unit/failover/tenancy.h"

namespace {

using namespace bascule;

struct Starting : bascule::test::Tenancy {
  Starting() : bascule::test::Tenancy({"paris-1"}) {
    spec.id = VmId("00000000-0000-4000-8000-000000000101");
    spec.name = "acme/shop";
    spec.tenant = bascule::test::kTenant;
    spec.home = SiteId("paris");
    spec.memory_mib = 256;
    send(SetQuota{asked(), bascule::test::kTenant, {10, 4096, 8, 65536}});
    start_asked = by_anna();
    send(CreateVm{start_asked, spec, true});
  }
  std::string cancel(const Asked& by) { return said(by, CancelOperation{by, start_asked.request}); }
  const Vm& shop() const { return state.vms.at(spec.id); }

  VmSpec spec;
  Asked start_asked;
};

}  // namespace

TEST_CASE_FIXTURE(Starting, "a start that is called back ends stopped, and both requests are answered") {
  REQUIRE(vm_of_operation(state, start_asked.request));
  const Asked by = by_anna();
  CHECK(cancel(by) == "");
  run(10s);
  CHECK(shop().record.phase == VmPhase::stopped);
  CHECK_FALSE(shop().record.wanted_running);
  REQUIRE(answers.contains(start_asked.request.value));
  CHECK(answers.at(start_asked.request.value).error);
  REQUIRE(answers.contains(by.request.value));
  CHECK_FALSE(answers.at(by.request.value).error);
  CHECK(wrongs.empty());
}

TEST_CASE_FIXTURE(Starting, "what has ended, or stops already, can't be called back") {
  run(10s);
  CHECK(shop().record.phase == VmPhase::running);
  CHECK(cancel(by_anna()) == "it has ended, or it is nothing that can be called back");
  const Asked stop = by_anna();
  send(StopVmAsked{stop, spec.id});
  const Asked by = by_anna();
  CHECK(said(by, CancelOperation{by, stop.request}) ==
        "it has ended, or it is nothing that can be called back");
}

TEST_CASE_FIXTURE(Starting, "nobody calls back what isn't theirs") {
  Asked other = asked("other/emil");
  other.token = TokenId("e");
  TenantUser emil;
  emil.id = OperatorId("other/emil");
  emil.tenant = TenantId("other");
  emil.roles = {TenantRole::owner};
  Token token;
  token.id = other.token;
  token.user = emil.id;
  token.expires = {INT64_MAX};
  state.directory.users[emil.id] = emil;
  state.directory.tokens[token.id] = token;
  CHECK(cancel(other) == "nothing of that name is yours");
  CHECK(cancel(asked("alice")).find("say why first") != std::string::npos);
  run(10s);
  CHECK(shop().record.phase == VmPhase::running);
}
