// How a tenant's users get in and what they find: the API over the real engine.
#include <doctest/doctest.h>

#include <set>

#include "api/second_factor.h"
#include "base/sha256.h"
#include "tests/unit/api/office.h"

namespace {

using namespace bascule;
using namespace bascule::api;

std::string code_now(const std::string& secret, std::uint64_t later = 0) {
  return code_of_step(secret, step_at(SystemClock().wall()) + later);
}

}  // namespace

TEST_CASE("an invited user sets a password, signs in, and signs out") {
  Office office;
  const std::string token = office.owner("acme");
  CHECK(token.starts_with("bst_"));
  const auto self = office.ask("GET", "/v1/me", "", token);
  CHECK(self.status == 200);
  CHECK(self.body["user"] == "acme/anna");
  CHECK(self.body["roles"][0] == "owner");
  CHECK(office.ask("DELETE", "/v1/tokens/current", "", token).status == 200);
  CHECK(office.ask("GET", "/v1/me", "", token).status == 401);
  const std::string kept = json::encode_text(office.state().directory);
  CHECK(kept.find(kPassword) == std::string::npos);
  CHECK(kept.find(token) == std::string::npos);
}

TEST_CASE("an invitation counts once, for its user, and asks for a password that will do") {
  Office office;
  const auto invited =
      office.ask_as_staff("POST", "/v1/tenants/acme/users", R"({"name": "anna", "roles": ["owner"]})");
  const std::string secret = invited.body["invitation"];
  const auto set = [&](const std::string& user, const std::string& password) {
    return office.ask("POST", "/v1/passwords",
                      R"({"user": ")" + user + R"(", "invitation": ")" + secret + R"(", "password": ")" +
                          password + R"("})");
  };
  CHECK(set("acme/anna", "short").status == 400);
  CHECK(set("acme/anna", "aaaaaaaaaaaaaaaa").status == 400);
  CHECK(set("acme/berta", kPassword).status == 401);
  CHECK(set("acme/anna", kPassword).status == 200);
  CHECK(set("acme/anna", "another good password").status == 401);
  CHECK(office.sign_in("acme/anna").status == 201);
}

TEST_CASE("a wrong password and an unknown account look the same, and cost more each time") {
  Office office;
  office.owner("acme");
  const auto wrong = office.sign_in("acme/anna", "not the password");
  const auto unknown = office.sign_in("acme/nobody", "not the password");
  CHECK(wrong.status == 401);
  CHECK(wrong.body["detail"] == unknown.body["detail"]);
  int refused = 0;
  for (int i = 0; i < 6; ++i) {
    const auto again = office.sign_in("acme/anna", "not the password");
    if (again.status == 429) ++refused;
    if (again.status == 429) CHECK(again.headers.contains("retry-after"));
  }
  CHECK(refused > 0);
  CHECK(office.sign_in("acme/anna").status == 429);  // the right one has to wait too
  office.source = "203.0.113.8";
  CHECK(office.sign_in("acme/nobody2", "not the password").status == 401);
  const auto trail = office.audit();
  const auto failed = std::count_if(trail.begin(), trail.end(), [](const AuditRecord& record) {
    return record.subject == "user/acme/anna" && record.words == "wrong password or code";
  });
  CHECK(failed > 0);
}

TEST_CASE("a token does what its user may and what it is for, until it is ended") {
  Office office;
  const std::string session = office.owner("acme");
  const auto made =
      office.ask("POST", "/v1/tokens", R"({"name": "watch", "permissions": ["see_machines"]})", session);
  REQUIRE(made.status == 201);
  const std::string token = made.body["token"];
  CHECK(office.ask("GET", "/v1/vms", "", token).status == 200);
  CHECK(office.ask("GET", "/v1/users", "", token).status == 403);
  CHECK(office.ask("POST", "/v1/tokens", R"({"name": "more"})", token).status == 403);
  const auto listed = office.ask("GET", "/v1/tokens", "", session);
  REQUIRE(listed.body["items"].size() == 2);
  for (const auto& item : listed.body["items"]) CHECK(item.contains("last_use"));
  CHECK(office.ask("DELETE", "/v1/tokens/" + made.body["id"].get<std::string>(), "", session).status == 200);
  CHECK(office.ask("GET", "/v1/vms", "", token).status == 401);
}

TEST_CASE("who asks too often has to wait, with whatever token") {
  Office office;
  const std::string token = office.owner("acme");
  int last = 0;
  for (int i = 0; i < 1000 && last != 429; ++i) last = office.ask("GET", "/v1/me", "", token).status;
  CHECK(last == 429);
  CHECK(office.ask("GET", "/v1/me", "", office.owner("other", "eve")).status == 200);
}

TEST_CASE("who forgets to sign out loses the oldest session, and gets in") {
  Office office;
  const std::string first = office.owner("acme");
  std::string latest;
  for (int i = 0; i < 20; ++i) latest = office.sign_in("acme/anna").body["token"];
  CHECK(office.ask("GET", "/v1/me", "", first).status == 401);
  CHECK(office.ask("GET", "/v1/tokens", "", latest).body["items"].size() == 20);
}

TEST_CASE("a long list comes in pages") {
  Office office;
  const std::string anna = office.owner("acme");
  office.change([](State& state) {
    for (int i = 0; i < 250; ++i) {
      Vm vm = example_vm("web-2", "paris-1");
      const std::string name = "shop-" + std::to_string(1000 + i);
      vm.record.spec.id = VmId("aaaaaaaa-0000-4000-8000-00000000" + name.substr(5));
      vm.record.spec.tenant = TenantId("acme");
      vm.record.spec.name = "acme/" + name;
      state.vms[vm.record.spec.id] = vm;
    }
    rebuild_indexes(state);
  });
  std::set<std::string> seen;
  std::string next;
  int pages = 0;
  do {
    const auto page = office.ask("GET", "/v1/vms" + (next.empty() ? "" : "?after=" + next), "", anna);
    for (const auto& item : page.body["items"]) seen.insert(item["name"]);
    next = page.body.value("next", "");
    ++pages;
  } while (!next.empty());
  CHECK(pages == 3);
  CHECK(seen.size() == 250);
  // Without a reason the provider's staff see ids alone, and page all the same.
  std::set<std::string> ids;
  std::size_t rows = 0;
  do {
    const auto page =
        office.ask_as_staff("GET", "/v1/vms?limit=100" + (next.empty() ? "" : "&after=" + next));
    for (const auto& item : page.body["items"]) ids.insert(item["id"]);
    rows += page.body["items"].size();
    next = page.body.value("next", "");
  } while (!next.empty());
  CHECK(ids.size() == rows);
  CHECK(rows >= 250);
  CHECK(office.ask("GET", "/v1/vms?limit=7", "", anna).body["items"].size() == 7);
  CHECK(office.ask("GET", "/v1/vms?limit=x", "", anna).status == 400);
}

TEST_CASE("each tenant sees what is its own, by its own names") {
  Office office;
  const std::string anna = office.owner("acme"), eve = office.owner("other", "eve");
  office.change([](State& state) {
    Vm vm = example_vm("web-2", "paris-1");
    vm.record.spec.tenant = TenantId("acme");
    vm.record.spec.name = "acme/shop";
    state.vms[vm.record.spec.id] = vm;
    rebuild_indexes(state);
  });
  const auto list = office.ask("GET", "/v1/vms", "", anna);
  REQUIRE(list.body["items"].size() == 1);
  CHECK(list.body["items"][0]["name"] == "shop");
  CHECK(list.body["items"][0]["host"].is_null());
  CHECK(office.ask("GET", "/v1/vms", "", eve).body["items"].empty());
  CHECK(office.ask("GET", "/v1/vms/shop", "", anna).status == 200);
  const std::string id = list.body["items"][0]["id"];
  const auto foreign = office.ask("GET", "/v1/vms/" + id, "", eve);
  const auto missing = office.ask("GET", "/v1/vms/nothing", "", eve);
  CHECK(foreign.status == 404);
  CHECK(foreign.body["detail"] == missing.body["detail"]);
  CHECK(office.ask("GET", "/v1/vms/web-1", "", anna).status == 404);  // the provider's own
  for (const char* path : {"/v1/status", "/v1/hosts", "/v1/incidents", "/v1/tenants", "/v1/audit/export"})
    CHECK(office.ask("GET", path, "", anna).status == 404);
}

TEST_CASE("what concerns a tenant is in its audit, and in no other's") {
  Office office;
  const std::string anna = office.owner("acme"), eve = office.owner("other", "eve");
  const auto mine = office.ask("GET", "/v1/audit?limit=1000", "", anna);
  CHECK(mine.body["items"].size() > 3);
  for (const auto& item : mine.body["items"]) CHECK(item["tenant"] == "acme");
  const auto theirs = office.ask("GET", "/v1/audit?limit=1000", "", eve);
  for (const auto& item : theirs.body["items"]) CHECK(item["tenant"] == "other");
}

TEST_CASE("a tenant ends the access session of a provider's operator, who then sees nothing") {
  Office office;
  const std::string anna = office.owner("acme"), eve = office.owner("other", "eve");
  const auto opened = office.ask_as_staff(
      "POST", "/v1/access",
      R"({"tenant": "acme", "category": "incident", "reason": "their shop answers slowly since noon"})");
  REQUIRE(opened.status == 200);
  const auto seen = office.ask("GET", "/v1/access", "", anna);
  REQUIRE(seen.body["items"].size() == 1);
  CHECK(seen.body["items"][0]["reason"] == "their shop answers slowly since noon");
  CHECK(office.ask("GET", "/v1/access", "", eve).body["items"].empty());
  const std::string id = seen.body["items"][0]["id"];
  CHECK(office.ask("DELETE", "/v1/access/" + id, "", eve).status == 404);
  CHECK(office.ask("DELETE", "/v1/access/" + id, "", anna).status == 200);
  CHECK(office.state().directory.access.empty());
}

TEST_CASE("a second factor is asked for, each code once; a recovery code instead, once") {
  Office office;
  const std::string session = office.owner("acme");
  const auto offer = office.ask("POST", "/v1/me/second-factor", "", session);
  const std::string secret = offer.body["secret"];
  CHECK(offer.body["uri"].get<std::string>().starts_with("otpauth://totp/Bascule:acme/anna?"));
  const auto confirm = [&](const std::string& code) {
    return office.ask("PUT", "/v1/me/second-factor",
                      R"({"secret": ")" + secret + R"(", "code": ")" + code + R"("})", session);
  };
  CHECK(confirm("0000").status == 400);
  const std::string first = code_now(secret);
  const auto set = confirm(first);
  REQUIRE(set.status == 200);
  REQUIRE(set.body["recovery_codes"].size() == 10);
  CHECK(office.sign_in("acme/anna").status == 401);
  CHECK(office.sign_in("acme/anna", kPassword, first).status == 401);  // it was used to confirm
  CHECK(office.sign_in("acme/anna", kPassword, code_now(secret, 1)).status == 201);
  const std::string recovery = set.body["recovery_codes"][3];
  CHECK(office.sign_in("acme/anna", kPassword, recovery).status == 201);
  CHECK(office.sign_in("acme/anna", kPassword, recovery).status == 401);
}

TEST_CASE("a second factor is replaced or removed with a code of it only, and ends what was opened without") {
  Office office;
  const std::string session = office.owner("acme");
  const std::string other = office.sign_in("acme/anna").body["token"];
  const auto put = [&](const std::string& secret, const std::string& before) {
    return office.ask("PUT", "/v1/me/second-factor",
                      R"({"secret": ")" + secret + R"(", "code": ")" + code_now(secret) +
                          R"(", "before": ")" + before + R"("})",
                      session);
  };
  const std::string first = office.ask("POST", "/v1/me/second-factor", "", session).body["secret"];
  const auto set = put(first, "");
  REQUIRE(set.status == 200);
  CHECK(office.ask("GET", "/v1/me", "", other).status == 401);
  const std::string second = office.ask("POST", "/v1/me/second-factor", "", session).body["secret"];
  CHECK(put(second, "").status == 403);
  CHECK(put(second, code_now(second)).status == 403);
  const auto removal = [&](const std::string& code) {
    return office.ask("DELETE", "/v1/me/second-factor", R"({"code": ")" + code + R"("})", session);
  };
  CHECK(removal("000000").status == 403);
  CHECK(put(second, set.body["recovery_codes"][0]).status == 200);
  CHECK(removal(code_now(first, 1)).status == 403);
  CHECK(removal(code_now(second, 1)).status == 429);  // four were wrong
}

TEST_CASE(
    "a token for a program ends no other, and none is made without the second factor that is asked for") {
  Office office;
  const std::string session = office.owner("acme");
  const auto made = office.ask("POST", "/v1/tokens", R"({"name": "watch"})", session);
  const std::string token = made.body["token"];
  const auto seen_by_token = office.ask("GET", "/v1/tokens", "", token);
  for (const auto& item : seen_by_token.body["items"])
    if (!item["current"].get<bool>())
      CHECK(office.ask("DELETE", "/v1/tokens/" + item["id"].get<std::string>(), "", token).status == 403);
  CHECK(office.ask("DELETE", "/v1/tokens/current", "", token).status == 200);
  REQUIRE(office.ask("PUT", "/v1/rules", R"({"second_factor": true})", session).status == 200);
  CHECK(office.ask("POST", "/v1/tokens", R"({"name": "later"})", session).status == 403);
}

TEST_CASE("what the provider invited before the first owner came is over with them") {
  Office office;
  const auto invite = [&](const std::string& name) {
    return office.ask_as_staff("POST", "/v1/tenants/acme/users",
                               R"({"name": ")" + name + R"(", "roles": ["owner"]})");
  };
  const std::string zed = invite("zed").body["invitation"];
  const std::string anna = invite("anna").body["invitation"];
  const auto set = [&](const std::string& user, const std::string& secret) {
    return office.ask("POST", "/v1/passwords",
                      R"({"user": ")" + user + R"(", "invitation": ")" + secret + R"(", "password": ")" +
                          kPassword + R"("})");
  };
  CHECK(set("acme/zed", zed).status == 401);
  CHECK(set("acme/anna", anna).status == 200);
  CHECK(invite("mole").status == 403);
}

TEST_CASE("an invitation is good for a week") {
  Office office;
  const auto invited =
      office.ask_as_staff("POST", "/v1/tenants/acme/users", R"({"name": "anna", "roles": ["owner"]})");
  office.change([](State& state) {
    state.directory.users.at(OperatorId("acme/anna")).created.unix_ms -= 7LL * 24 * 3600 * 1000;
  });
  CHECK(office
            .ask("POST", "/v1/passwords",
                 R"({"user": "acme/anna", "invitation": ")" + invited.body["invitation"].get<std::string>() +
                     R"(", "password": ")" + kPassword + R"("})")
            .status == 401);
}

TEST_CASE("a request as long as it can be stops nothing") {
  Office office;
  const std::string session = office.owner("acme");
  std::string many = "\"see_machines\"";
  for (int i = 0; i < 3000; ++i) many += ", \"see_machines\"";
  const auto made =
      office.ask("POST", "/v1/tokens", R"({"name": "a", "permissions": [)" + many + "]}", session);
  REQUIRE(made.status == 201);
  CHECK(office.state()
            .directory.tokens.at(TokenId(sha256_hex(made.body["token"].get<std::string>())))
            .permissions.size() == 1);
  office.ask("POST", "/v1/users", R"({"roles": ["viewer"], "name": ")" + std::string(60'000, 'x') + "\"}",
             session);
  for (const AuditRecord& record : office.audit()) CHECK(record.subject.size() <= 200);
  std::string numbers = "0";
  for (int i = 0; i < 20'000; ++i) numbers += ",0";
  const auto refused =
      office.ask("POST", "/v1/tokens", R"({"name": "a", "permissions": [)" + numbers + "]}", session);
  CHECK(refused.status == 400);
  CHECK(refused.body["errors"].size() <= 50);
}

TEST_CASE("where a tenant asks for a second factor, nothing goes without one but to set it up") {
  Office office;
  const std::string session = office.owner("acme");
  REQUIRE(
      office.ask("PUT", "/v1/rules", R"({"second_factor": true, "password_length": 16})", session).status ==
      200);
  CHECK(office.ask("GET", "/v1/vms", "", session).status == 403);
  CHECK(office.ask("POST", "/v1/me/second-factor", "", session).status == 200);
}

TEST_CASE("users come by invitation; the last owner stays") {
  Office office;
  const std::string anna = office.owner("acme");
  CHECK(office.ask_as_staff("POST", "/v1/tenants/acme/users", R"({"name": "mole", "roles": ["owner"]})")
            .status == 403);
  const auto invited = office.ask("POST", "/v1/users", R"({"name": "vera", "roles": ["viewer"]})", anna);
  REQUIRE(invited.status == 201);
  office.accept("acme/vera", invited.body["invitation"]);
  const std::string vera = office.sign_in("acme/vera").body["token"];
  CHECK(office.ask("GET", "/v1/vms", "", vera).status == 200);
  CHECK(office.ask("GET", "/v1/users", "", vera).status == 403);
  CHECK(office.ask("PUT", "/v1/users/vera", R"({"roles": ["viewer"], "disabled": true})", anna).status ==
        200);
  CHECK(office.ask("GET", "/v1/vms", "", vera).status == 401);
  CHECK(office.sign_in("acme/vera").status == 401);
  CHECK(office.ask("PUT", "/v1/users/anna", R"({"roles": ["viewer"]})", anna).status == 409);
  CHECK(office.ask("DELETE", "/v1/users/anna", "", anna).status == 409);
  CHECK(office.ask("DELETE", "/v1/users/vera", "", anna).status == 200);
  CHECK(office.ask("GET", "/v1/users", "", anna).body["items"].size() == 1);
}

TEST_CASE("a password is changed with the one before, and ends every session") {
  Office office;
  const std::string anna = office.owner("acme");
  const auto change = [&](const std::string& before) {
    return office.ask("PUT", "/v1/me/password",
                      R"({"password": ")" + before + R"(", "new_password": "a better password"})", anna);
  };
  CHECK(change("wrong").status == 403);
  CHECK(change(kPassword).status == 200);
  CHECK(office.ask("GET", "/v1/me", "", anna).status == 401);
  CHECK(office.sign_in("acme/anna", "a better password").status == 201);
}

TEST_CASE("a portal carries nobody of the provider's staff, whatever its certificate or request says") {
  Office office;
  const std::string session = office.owner("acme");
  for (const char* name : {"alice", "portal-1"}) {
    CHECK(office.ask("GET", "/v1/hosts", "", "", Door::portal, name).status == 401);
    CHECK(office.ask("GET", "/v1/hosts", "", session, Door::portal, name).status == 404);
    CHECK(office.ask("POST", "/v1/access", R"({"tenant": "acme"})", session, Door::portal, name).status ==
          404);
  }
  CHECK(office.ask("GET", "/v1/me", "", session, Door::operators, "alice").status == 403);
}
