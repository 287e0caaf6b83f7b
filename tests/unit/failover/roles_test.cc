// Roles of a tenant's own, and of the provider's own.
#include "failover/access/roles.h"

#include <doctest/doctest.h>

#include "failover/access/authorize.h"
#include "tests/unit/failover/tenancy.h"

namespace {

using namespace bascule;
using P = Permission;

const OperatorId kNils("acme/nils");

struct Roles : bascule::test::Tenancy {
  Roles() : bascule::test::Tenancy({"paris-1"}) {}

  std::string set(const std::string& name, const std::vector<Permission>& permissions,
                  const TenantId& tenant = bascule::test::kTenant) {
    const Asked by = by_anna();
    return said(by, SetRole{by, tenant, name, permissions});
  }
  std::string invite(const std::string& role) {
    const Asked by = by_anna();
    return said(by, InviteUser{by, bascule::test::kTenant, "nils", {}, std::string(64, 'a'), {role}});
  }
  // As nils, who is signed in.
  bool may(Permission permission) {
    Token token;
    token.id = TokenId("n");
    token.user = kNils;
    token.expires = {INT64_MAX};
    state.directory.tokens[token.id] = token;
    return !why_denied(state.directory, {kNils, token.id}, permission, {bascule::test::kTenant, false});
  }
};

}  // namespace

TEST_CASE_FIXTURE(Roles, "a role of one's own gives what it names, and a change of it counts at once") {
  CHECK(set("night", {P::see_machines, P::run_machines}) == "");
  CHECK(invite("night") == "");
  CHECK(may(P::run_machines));
  CHECK_FALSE(may(P::change_machines));
  CHECK_FALSE(may(P::manage_users));
  CHECK(set("night", {P::see_machines}) == "");
  CHECK_FALSE(may(P::run_machines));
  CHECK(set("night", {}) == "1 users have this role: change them first");
  const Asked by = by_anna();
  CHECK(said(by, ChangeUser{by, kNils, {TenantRole::viewer}, false, {}}) == "");
  CHECK(set("night", {}) == "");
  CHECK(state.directory.tenants.at(bascule::test::kTenant).roles.empty());
}

TEST_CASE_FIXTURE(Roles,
                  "no role of one's own decides who may what, reaches the fleet, or stands for another") {
  CHECK(set("boss", {P::manage_users}).find("can't be in a role of your own") != std::string::npos);
  CHECK(set("boss", {P::see_machines, P::operate_hosts}).find("operate_hosts") != std::string::npos);
  CHECK(set("owner", {P::see_machines}) == "owner is a role that everybody has");
  CHECK(set("../x", {P::see_machines}).find("name: ") == 0);
  CHECK(set("gone", {}) == "there is no role gone");
  CHECK(invite("night") == "own_roles: there is no role night; `bascule role list` shows all");
  CHECK(state.directory.tenants.at(bascule::test::kTenant).roles.empty());
  send(CreateTenant{asked(), TenantId("other")});
  CHECK_FALSE(set("night", {P::see_machines}, TenantId("other")).empty());
}

TEST_CASE("a role of the provider's own adds to what its people may") {
  Directory directory;
  directory.staff[OperatorId("nadia")] = {StaffRole::noc};
  CHECK_FALSE(has_permission(directory, OperatorId("nadia"), P::operate_hosts));
  directory.staff_own[OperatorId("nadia")] = {P::operate_hosts};
  CHECK(has_permission(directory, OperatorId("nadia"), P::operate_hosts));
  CHECK_FALSE(has_permission(directory, OperatorId("nadia"), P::read_audit));
  directory.staff_own[OperatorId("mallory")] = {P::operate_hosts};  // who has no account
  CHECK_FALSE(has_permission(directory, OperatorId("mallory"), P::operate_hosts));
  for (const auto& [permission, name] : enum_names(Permission()))
    CHECK_MESSAGE(
        (may_be_in_own_role(permission) || may_be_in_staff_role(permission) || permission == P::manage_users),
        name);
}

TEST_CASE("nobody has a right of the whole fleet, or any, by an account that isn't whole") {
  Directory directory;
  TenantUser user;
  user.id = kNils;
  user.tenant = TenantId("acme");
  user.own_roles = {"boss"};
  directory.users[kNils] = user;
  directory.tokens[TokenId("n")].user = kNils;
  const Principal nils{kNils, TokenId("n")};
  const auto why = [&](Permission permission) {
    const auto denied = why_denied(directory, nils, permission, {TenantId("acme"), false});
    return denied ? denied->message : "";
  };
  CHECK(why(P::see_machines).find("you lack") != std::string::npos);  // its tenant is gone
  directory.tenants[TenantId("acme")].roles["boss"] = {P::operate_hosts, P::see_machines};
  CHECK(why(P::see_machines) == "");
  CHECK(why(P::operate_hosts) == "nothing of that name is yours");
  const auto stranger = why_denied(directory, {OperatorId("mallory"), TokenId()}, P::see_fleet, {});
  REQUIRE(stranger);
  CHECK(stranger->message.find("has no account here") != std::string::npos);
}
