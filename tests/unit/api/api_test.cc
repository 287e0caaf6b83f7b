#include "api/api.h"

#include <doctest/doctest.h>

#include <condition_variable>

#include "base/json.h"
#include "tests/unit/api/example_state.h"
#include "tests/unit/api/quiet_services.h"

using namespace bascule;
using namespace bascule::api;

namespace {

// The API over made-up services; requests that the engine should get are kept in `asked`.
struct Desk {
  explicit Desk(Duration answer_time = 20s, std::vector<std::string> routes = {"mail", "sms"})
      : channels(std::move(routes)), api(services(), {answer_time}) {}

  Services services() {
    Services made = services_with_nothing_new();
    made.snapshot = [this] { return std::make_shared<const Snapshot>(snapshot); };
    made.submit = [this](EventBody event, std::function<void(const Answer&)> reply) {
      asked.push_back(event);
      reply_later = reply;
      if (answer) reply(*answer);
    };
    made.audit = [this](std::uint64_t after, std::size_t limit) -> Result<std::vector<AuditEntry>> {
      std::vector<AuditEntry> page;
      for (const AuditEntry& entry : audit)
        if (entry.number > after && page.size() < limit) page.push_back(entry);
      return page;
    };
    made.verify_audit = []() -> Result<std::uint64_t> {
      return failure(ErrorCode::corrupt, "entry 7 was changed");
    };
    made.export_audit = [](std::uint64_t after, std::size_t limit) -> Result<AuditExport> {
      return AuditExport{{"after " + std::to_string(after), "limit " + std::to_string(limit)}, after + 1};
    };
    made.audit_key = "PEM";
    made.channels = channels;
    return made;
  }

  // Sends, and waits for the reply.
  net::HttpResponse send(const std::string& method, const std::string& target, const std::string& body = "",
                         const std::string& by = "alice", const std::string& id = "") {
    net::HttpRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    request.content_type = body.empty() ? "" : "application/json";
    request.peer.name = by;
    if (!id.empty()) request.headers["x-request-id"] = id;
    // Shared: an operation that ends late replies a second time.
    struct Arrival {
      std::mutex mutex;
      std::condition_variable arrived;
      std::optional<net::HttpResponse> response;
    };
    const auto arrival = std::make_shared<Arrival>();
    api.handle(request, [arrival](net::HttpResponse response) {
      const std::lock_guard lock(arrival->mutex);
      if (!arrival->response) arrival->response = std::move(response);
      arrival->arrived.notify_all();
    });
    std::unique_lock lock(arrival->mutex);
    REQUIRE(arrival->arrived.wait_for(lock, 30s, [&] { return arrival->response.has_value(); }));
    return *arrival->response;
  }

  const std::vector<std::string> channels;
  Snapshot snapshot = example_snapshot();
  std::vector<AuditEntry> audit;
  std::vector<EventBody> asked;
  std::optional<Answer> answer;  // given at once
  std::function<void(const Answer&)> reply_later;
  Api api;
};

json::Value body_of(const net::HttpResponse& response) {
  const auto value = json::parse(response.body);
  REQUIRE(value);
  return *value;
}

const char* const kId = "0a0b0c0d-1111-4222-8333-444455556666";

}  // namespace

TEST_CASE("lists are {items}, and every answer names its request") {
  Desk desk;
  const auto response = desk.send("GET", "/v1/vms", "", "alice", kId);
  CHECK(response.status == 200);
  CHECK(response.headers.at("x-request-id") == kId);
  CHECK(body_of(response)["items"][0]["name"] == "web-1");
  CHECK(is_valid_uuid(desk.send("GET", "/v1/hosts").headers.at("x-request-id")));
}

TEST_CASE("every error is a problem") {
  Desk desk;
  const auto check = [](const net::HttpResponse& response, int status, const char* code) {
    CHECK(response.status == status);
    CHECK(response.content_type == "application/problem+json");
    const json::Value problem = body_of(response);
    for (const char* member : {"type", "title", "detail"})
      CHECK_FALSE(problem[member].get<std::string>().empty());
    CHECK(problem["status"] == status);
    CHECK(problem["code"] == code);
    CHECK(problem["request"] == response.headers.at("x-request-id"));
  };
  check(desk.send("GET", "/v1/nothing"), 404, "not_found");
  check(desk.send("GET", "/v1/vms/ghost"), 404, "not_found");
  check(desk.send("PUT", "/v1/vms"), 405, "invalid");
  check(desk.send("GET", "/v1/events?wait=26"), 400, "invalid");
  check(desk.send("POST", "/v1/vms", "{"), 400, "invalid");
  CHECK(desk.asked.empty());
}

TEST_CASE("wrong fields are told all at once, with their paths") {
  Desk desk;
  const auto response = desk.send("POST", "/v1/vms", R"({"name": "x", "memory_mib": "much", "usb": true})");
  CHECK(response.status == 400);
  const json::Value errors = body_of(response)["errors"];
  REQUIRE(errors.size() == 3);
  CHECK(errors[0]["path"] == "home");
  CHECK(errors[1]["path"] == "memory_mib");
  CHECK(errors[2]["path"] == "usb");
  const auto unsound = desk.send("POST", "/v1/vms", R"({"name": "x", "memory_mib": 1, "home": "nice"})");
  CHECK(body_of(unsound)["errors"][0]["path"] == "memory_mib");
  CHECK(body_of(unsound)["errors"][1]["path"] == "home");
  CHECK(desk.asked.empty());
}

TEST_CASE("a VM is created with an id and stable MACs") {
  Desk desk;
  desk.answer = Answer{RequestId(kId), std::nullopt, "the-id"};
  const auto response = desk.send(
      "POST", "/v1/vms",
      R"({"name": "new", "memory_mib": 64, "home": "lyon", "nics": [{"bridge": "br0"}, {"bridge": "br0"}]})",
      "alice", kId);
  CHECK(response.status == 200);
  CHECK(body_of(response)["subject"] == "the-id");
  REQUIRE(desk.asked.size() == 1);
  const auto& event = std::get<CreateVm>(desk.asked[0]);
  CHECK(event.asked.by == OperatorId("alice"));
  CHECK(event.start);
  CHECK(problems_of(event.spec).empty());
  CHECK(is_valid_uuid(event.spec.id.value));
  CHECK(event.spec.nics[0].mac.starts_with("52:54:00:"));
  CHECK(event.spec.nics[0].mac != event.spec.nics[1].mac);
}

TEST_CASE("what is dangerous needs a reason") {
  Desk desk;
  for (const char* target : {"/v1/hosts/paris-1/clear", "/v1/vms/web-1/kill"})
    CHECK(body_of(desk.send("POST", target, "{}"))["errors"][0]["path"] == "reason");
  const auto power = desk.send("POST", "/v1/hosts/paris-1/power", R"({"on": false})");
  CHECK(body_of(power)["errors"][0]["path"] == "reason");
  CHECK(desk.asked.empty());
}

TEST_CASE("a refusal of the engine is its own status and words") {
  Desk desk;
  desk.answer = Answer{RequestId(kId), Error{ErrorCode::conflict, "web-1 runs already"}, ""};
  const auto response = desk.send("POST", "/v1/vms/web-1/start", "", "alice", kId);
  CHECK(response.status == 409);
  CHECK(body_of(response)["detail"] == "web-1 runs already");
}

TEST_CASE("a long operation is answered 202 and can be followed to its end") {
  Desk desk(1ms);
  const auto accepted = desk.send("POST", "/v1/hosts/paris-1/drill", "{}", "alice", kId);
  CHECK(accepted.status == 202);
  CHECK(body_of(accepted)["state"] == "running");
  CHECK(body_of(desk.send("GET", std::string("/v1/operations/") + kId))["state"] == "running");
  // The same request again joins the operation; another's is refused.
  CHECK(desk.send("POST", "/v1/hosts/paris-1/drill", "{}", "alice", kId).status == 202);
  CHECK(desk.send("POST", "/v1/hosts/paris-1/drill", "{}", "bob", kId).status == 409);
  CHECK(desk.asked.size() == 1);
  desk.reply_later(Answer{RequestId(kId), std::nullopt, "paris-1"});
  const json::Value ended = body_of(desk.send("GET", std::string("/v1/operations/") + kId + "?wait=25"));
  CHECK(ended["state"] == "done");
  CHECK(ended["subject"] == "paris-1");
  CHECK(desk.send("GET", "/v1/operations/unheard").status == 404);
}

TEST_CASE("a second operator signs an attestation by making the same") {
  Desk desk;
  const auto attest = [&desk](const std::string& by, const std::string& serial, const char* id) {
    desk.answer = Answer{RequestId(id), Error{ErrorCode::conflict, "a peer saw it"}, ""};
    desk.send("POST", "/v1/hosts/paris-1/attest-down",
              R"({"serial": ")" + serial +
                  R"(", "boot_id": "11111111-2222-4333-8444-555555555555", "reason": "unplugged"})",
              by, id);
    return std::get<AttestDown>(desk.asked.back()).second;
  };
  CHECK_FALSE(attest("alice", "S1", "0a0b0c0d-1111-4222-8333-000000000001"));
  CHECK_FALSE(attest("alice", "S1", "0a0b0c0d-1111-4222-8333-000000000002"));
  CHECK(attest("bob", "S1", "0a0b0c0d-1111-4222-8333-000000000003") == OperatorId("alice"));
  CHECK_FALSE(attest("carol", "S2", "0a0b0c0d-1111-4222-8333-000000000004"));
}

TEST_CASE("explain gives the trail of the subject only") {
  Desk desk;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    AuditEntry entry;
    entry.number = i;
    entry.record.subject = i % 2 == 0 ? "host/paris-1" : "host/lyon-1";
    entry.record.what = "fence_host";
    desk.audit.push_back(entry);
  }
  desk.snapshot.audit_number = 4;
  const json::Value explained = body_of(desk.send("GET", "/v1/explain/host/paris-1"));
  REQUIRE(explained["trail"].size() == 2);
  CHECK(explained["trail"][0]["number"] == 2);
  CHECK(explained["trail"][1]["number"] == 4);
  const json::Value events = body_of(desk.send("GET", "/v1/events?after=2&wait=25"));
  CHECK(events["items"].size() == 2);
  CHECK(events["next"] == 4);
}

TEST_CASE("an incident's timeline begins before it was opened, ends after its end, and is of its subjects") {
  Desk desk;
  Incident incident;
  incident.id = IncidentId("i000001");
  incident.hosts = {HostId("paris-1")};
  incident.opened = {1'000'000};
  incident.closed = WallTime{1'060'000};
  desk.snapshot.state.incidents[incident.id] = incident;
  const std::pair<std::int64_t, const char*> seen[] = {
      {900'000, "host/paris-1"},  // long before
      {990'000, "host/paris-1"},   {1'000'000, "incident/i000001"}, {1'010'000, "host/lyon-1"},  // another's
      {1'060'000, "host/paris-1"}, {1'090'000, "host/paris-1"}};                                 // long after
  for (const auto& [at, subject] : seen) {
    AuditEntry entry;
    entry.number = desk.audit.size() + 1;
    entry.at = {at};
    entry.record.subject = subject;
    desk.audit.push_back(entry);
  }
  desk.snapshot.audit_number = desk.audit.size();
  const json::Value told = body_of(desk.send("GET", "/v1/incidents/i000001"));
  CHECK(told["id"] == "i000001");
  REQUIRE(told["timeline"].size() == 3);
  CHECK(told["timeline"][0]["number"] == 2);
  CHECK(told["timeline"][2]["number"] == 5);
  CHECK(desk.send("GET", "/v1/incidents/i000009").status == 404);
}

TEST_CASE("the audit's lines and key, as whoever checks them needs them") {
  Desk desk;
  const auto page = desk.send("GET", "/v1/audit/export?after=7&limit=20");
  CHECK(page.status == 200);
  CHECK(page.body == R"({"lines":["after 7","limit 20"],"next":8})");
  CHECK(desk.send("GET", "/v1/audit/export?limit=1001").status == 400);
  CHECK(desk.send("GET", "/v1/audit/key").body == R"({"public_key":"PEM"})");
}

TEST_CASE("a broken audit chain is an answer, not an error") {
  Desk desk;
  const auto response = desk.send("GET", "/v1/audit/verify");
  CHECK(response.status == 200);
  CHECK(body_of(response)["intact"] == false);
  CHECK(body_of(response)["detail"] == "entry 7 was changed");
}

TEST_CASE("a test of notices without any route is refused, and asked of the engine with one") {
  Desk mute(20s, {});
  const auto refused = mute.send("POST", "/v1/notices/test", R"({"reason":""})");
  CHECK(refused.status == 409);
  CHECK(body_of(refused)["detail"].get<std::string>().find("neither [[mail]] nor [[sms]]") !=
        std::string::npos);
  CHECK(mute.asked.empty());
  Desk desk;
  desk.answer = Answer{RequestId(kId), std::nullopt, ""};
  CHECK(desk.send("POST", "/v1/notices/test", R"({"reason":""})", "alice", kId).status == 200);
  REQUIRE(desk.asked.size() == 1);
  CHECK(std::holds_alternative<TestNotices>(desk.asked.front()));
}

TEST_CASE(
    "a tenant's machine is shown once the look is stored, and refused without a reason, which is stored "
    "too") {
  Desk desk;
  Vm& vm = desk.snapshot.state.vms.begin()->second;
  vm.record.spec.tenant = TenantId("acme");
  const auto refused = desk.send("GET", "/v1/vms/web-1");
  CHECK(refused.status == 403);
  CHECK(body_of(refused)["code"] == "reason_required");
  REQUIRE(desk.asked.size() == 1);
  CHECK(std::get<NoteAccess>(desk.asked[0]).refused != "");

  AccessSession session;
  session.id = AccessId("a1");
  session.by = OperatorId("alice");
  session.tenant = TenantId("acme");
  desk.snapshot.state.directory.access[session.id] = session;
  desk.answer = Answer{RequestId("r"), std::nullopt, ""};
  CHECK(body_of(desk.send("GET", "/v1/vms/web-1"))["name"] == "web-1");
  REQUIRE(desk.asked.size() == 2);
  const NoteAccess& noted = std::get<NoteAccess>(desk.asked[1]);
  CHECK(noted.refused == "");
  CHECK(noted.what == "GET /v1/vms/{id}");
  CHECK(noted.subject == "vm/" + vm.record.spec.id.value);

  desk.answer = Answer{RequestId("r"), Error{ErrorCode::unavailable, "the manager is stopping"}, ""};
  CHECK(desk.send("GET", "/v1/vms/web-1").status == 503);
}

TEST_CASE("who has no account gets nothing") {
  Desk desk;
  const auto refused = desk.send("GET", "/v1/status", "", "mallory");
  CHECK(refused.status == 403);
  CHECK(body_of(refused)["code"] == "denied");
}
