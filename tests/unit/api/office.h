// Office: the API over the real engine, for tests of tenants' users.
#pragma once

#include <doctest/doctest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/api.h"
#include "base/json.h"
#include "failover/step.h"
#include "tests/unit/api/example_state.h"
#include "tests/unit/api/quiet_services.h"

namespace bascule::api {

inline constexpr const char* kPassword = "correct horse battery";

class Office {
 public:
  Office() : api_(std::make_unique<Api>(services())) {
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
    request.headers.insert(headers.begin(), headers.end());
    if (!token.empty()) request.headers["authorization"] = "Bearer " + token;
    struct Arrival {
      std::mutex mutex;
      std::condition_variable arrived;
      std::optional<net::HttpResponse> response;
    };
    const auto arrival = std::make_shared<Arrival>();
    api_->handle(
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

  // As a manager that begins anew: only what is stored is known.
  void restart() {
    log_ = RequestLog({});
    api_ = std::make_unique<Api>(services());
  }

  std::string source = "203.0.113.7";
  std::map<std::string, std::string> headers;  // of each request

 private:
  std::vector<Answer> take(EventBody body) {
    const std::lock_guard lock(mutex_);
    const WallTime wall = SystemClock().wall();
    const Event event{std::move(body), wall};
    Outcome outcome = step(std::move(snapshot_.state), event, SystemClock().now(), snapshot_.policy);
    log_.note(event, outcome.actions, kept_);
    snapshot_.state = std::move(outcome.next);
    audit_.insert(audit_.end(), outcome.audit.begin(), outcome.audit.end());
    snapshot_.audit_number = audit_.size();
    std::vector<Answer> answers;
    for (const Action& action : outcome.actions)
      if (const auto* answer = std::get_if<Answer>(&action)) answers.push_back(*answer);
    return answers;
  }

  Services services() {
    Services made = services_with_nothing_new();
    made.snapshot = [this] {
      const std::lock_guard lock(mutex_);
      return std::make_shared<const Snapshot>(snapshot_);
    };
    made.submit = [this](EventBody body, const std::function<void(const Answer&)>& reply) {
      for (const Answer& answer : take(std::move(body))) reply(answer);
    };
    made.request = [this](const RequestId& id) -> Result<std::optional<KeptRequest>> {
      const std::lock_guard lock(mutex_);
      const auto found = kept_.find("request/" + id.value);
      return found == kept_.end() ? std::optional<KeptRequest>() : found->second;
    };
    made.audit = [this](std::uint64_t after, std::size_t limit) -> Result<std::vector<AuditEntry>> {
      const std::lock_guard lock(mutex_);
      std::vector<AuditEntry> page;
      for (std::size_t i = after; i < audit_.size() && page.size() < limit; ++i) {
        AuditEntry entry;
        entry.number = i + 1;
        entry.at = SystemClock().wall();
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
  RequestLog log_{{}};
  std::map<std::string, KeptRequest> kept_;
  std::unique_ptr<Api> api_;
};

}  // namespace bascule::api
