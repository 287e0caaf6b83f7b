// How a tenant's users get in and what they find: the API over the real engine.
#include <doctest/doctest.h>

#include <condition_variable>
#include <thread>

#include "api/api.h"
#include "api/password.h"
#include "api/second_factor.h"
#include "base/json.h"
#include "base/sha256.h"
#include "failover/step.h"
#include "tests/unit/api/example_state.h"

namespace {

using namespace bascule;
using namespace bascule::api;

constexpr const char* kPassword = "correct horse battery";

class Office {
 public:
  Office() : api_(services()) {
    put(EventBody(CreateTenant{{RequestId("r0"), OperatorId("alice"), ""}, TenantId("acme")}));
    put(EventBody(CreateTenant{{RequestId("r1"), OperatorId("alice"), ""}, TenantId("other")}));
  }

  struct Reply {
    int status = 0;
    json::Value body;
    std::map<std::string, std::string> headers;
  };

  // By a portal, with a token or without.
  Reply ask(const std::string& method, const std::string& target, const std::string& body = "",
            const std::string& token = "", Door door = Door::portal,
            const std::string& operator_name = "portal-1") {
    net::HttpRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    request.content_type = body.empty() ? "" : "application/json";
    request.peer.name = operator_name;
    request.headers["x-source"] = source;
    if (!token.empty()) request.headers["authorization"] = "Bearer " + token;
    struct Arrival {
      std::mutex mutex;
      std::condition_variable arrived;
      std::optional<net::HttpResponse> response;
    };
    const auto arrival = std::make_shared<Arrival>();
    api_.handle(
        request,
        [arrival](net::HttpResponse response) {
          const std::lock_guard lock(arrival->mutex);
          if (!arrival->response) arrival->response = std::move(response);
          arrival->arrived.notify_all();
        },
        door);
    std::unique_lock lock(arrival->mutex);
    REQUIRE(arrival->arrived.wait_for(lock, 30s, [&] { return arrival->response.has_value(); }));
    const auto value = json::parse(arrival->response->body);
    REQUIRE(value);
    return {arrival->response->status, *value, arrival->response->headers};
  }
  Reply ask_as_staff(const std::string& method, const std::string& target, const std::string& body = "") {
    return ask(method, target, body, "", Door::operators, "alice");
  }

  // The tenant's owner, with a password; who has signed in.
  std::string owner(const std::string& tenant, const std::string& name = "anna") {
    const Reply invited = ask_as_staff("POST", "/v1/tenants/" + tenant + "/users",
                                       R"({"name": ")" + name + R"(", "roles": ["owner"]})");
    REQUIRE(invited.status == 201);
    accept(tenant + "/" + name, invited.body["invitation"]);
    return sign_in(tenant + "/" + name).body["token"];
  }
  void accept(const std::string& user, const std::string& invitation) {
    const Reply reply = ask("POST", "/v1/passwords",
                            R"({"user": ")" + user + R"(", "invitation": ")" + invitation +
                                R"(", "password": ")" + kPassword + R"("})");
    REQUIRE(reply.status == 200);
  }
  Reply sign_in(const std::string& user, const std::string& password = kPassword,
                const std::string& code = "") {
    return ask(
        "POST", "/v1/sessions",
        R"({"user": ")" + user + R"(", "password": ")" + password + R"(", "code": ")" + code + R"("})");
  }

  void put(EventBody body) { (void)take(std::move(body)); }
  State state() const {
    const std::lock_guard lock(mutex_);
    return snapshot_.state;
  }
  void change(const std::function<void(State&)>& how) {
    const std::lock_guard lock(mutex_);
    how(snapshot_.state);
  }
  std::vector<AuditRecord> audit() const {
    const std::lock_guard lock(mutex_);
    return audit_;
  }

  std::string source = "203.0.113.7";

 private:
  std::vector<Answer> take(EventBody body) {
    const std::lock_guard lock(mutex_);
    const WallTime wall = SystemClock().wall();
    Outcome outcome =
        step(std::move(snapshot_.state), {std::move(body), wall}, SystemClock().now(), snapshot_.policy);
    snapshot_.state = std::move(outcome.next);
    audit_.insert(audit_.end(), outcome.audit.begin(), outcome.audit.end());
    snapshot_.audit_number = audit_.size();
    std::vector<Answer> answers;
    for (const Action& action : outcome.actions)
      if (const auto* answer = std::get_if<Answer>(&action)) answers.push_back(*answer);
    return answers;
  }

  Services services() {
    Services made;
    made.snapshot = [this] {
      const std::lock_guard lock(mutex_);
      return std::make_shared<const Snapshot>(snapshot_);
    };
    made.submit = [this](EventBody body, const std::function<void(const Answer&)>& reply) {
      for (const Answer& answer : take(std::move(body))) reply(answer);
    };
    made.follow = [](std::uint64_t, Duration, const std::function<void()>& call) { call(); };
    made.audit = [this](std::uint64_t after, std::size_t limit) -> Result<std::vector<AuditEntry>> {
      const std::lock_guard lock(mutex_);
      std::vector<AuditEntry> page;
      for (std::size_t i = after; i < audit_.size() && page.size() < limit; ++i) {
        AuditEntry entry;
        entry.number = i + 1;
        entry.record = audit_[i];
        page.push_back(entry);
      }
      return page;
    };
    return made;
  }

  mutable std::mutex mutex_;
  Snapshot snapshot_ = example_snapshot();
  std::vector<AuditRecord> audit_;
  Api api_;
};

std::string code_now(const std::string& secret, int steps = 0) {
  // Every code of six digits would be too many to try: the library's own generator is behind step_of_code.
  const WallTime now = SystemClock().wall();
  for (int code = 0; code < 1'000'000; ++code) {
    char text[8];
    std::snprintf(text, sizeof text, "%06d", code);
    const auto step = step_of_code(secret, text, {now.unix_ms + steps * 30'000});
    if (step && *step == static_cast<std::uint64_t>(now.unix_ms / 30'000 + steps)) return text;
  }
  return "";
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

TEST_CASE("a token that asks too often has to wait") {
  Office office;
  const std::string token = office.owner("acme");
  int last = 0;
  for (int i = 0; i < 400 && last != 429; ++i) last = office.ask("GET", "/v1/me", "", token).status;
  CHECK(last == 429);
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
  for (const auto& item : office.ask("GET", "/v1/audit?limit=1000", "", eve).body["items"])
    CHECK(item["tenant"] == "other");
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
