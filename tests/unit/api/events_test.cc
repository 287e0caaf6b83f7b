// Who may see what of what happens.
#include "api/events.h"

#include <doctest/doctest.h>

#include "base/sha256.h"
#include "tests/unit/api/office.h"

using namespace bascule;
using namespace bascule::api;

namespace {

AuditEntry entry_about(const std::string& subject, const std::string& tenant) {
  AuditEntry entry;
  entry.number = 7;
  entry.record = {"engine",
                  "start_vm",
                  subject,
                  Reason::requested,
                  "by the fence of paris-1",
                  "r1",
                  {{"host", "paris-1"}},
                  TenantId(tenant)};
  return entry;
}

// A tenant with an owner and a viewer.
struct Followers {
  Followers() : anna(office.owner("acme")) {
    const auto invited = office.ask("POST", "/v1/users", R"({"name": "vera", "roles": ["viewer"]})", anna);
    REQUIRE(invited.status == 201);
    office.accept("acme/vera", invited.body["invitation"]);
    vera = office.sign_in("acme/vera").body["token"];
  }
  std::optional<EventView> seen(const std::string& by, const std::string& name, const AuditEntry& entry) {
    return event_for_tenant(office.state(), {OperatorId("acme/" + name), TokenId(sha256_hex(by))},
                            TenantId("acme"), entry);
  }
  Office office;
  std::string anna;
  std::string vera;
};

}  // namespace

TEST_CASE_FIXTURE(Followers, "a viewer follows the machines, without what names hosts") {
  const auto machine = seen(vera, "vera", entry_about("vm/1", "acme"));
  REQUIRE(machine.has_value());
  CHECK(machine->record.what == "start_vm");
  CHECK(machine->record.words.empty());
  CHECK(machine->record.facts.empty());
  CHECK(seen(vera, "vera", entry_about("access/1", "acme")).has_value());
  CHECK_FALSE(seen(vera, "vera", entry_about("user/acme/anna", "acme")).has_value());
}

TEST_CASE_FIXTURE(Followers, "who reads the tenant's audit follows all of it, and nothing of others") {
  CHECK(seen(anna, "anna", entry_about("user/acme/anna", "acme"))->record.words == "by the fence of paris-1");
  CHECK_FALSE(seen(anna, "anna", entry_about("vm/1", "other")).has_value());
  CHECK_FALSE(seen(anna, "anna", entry_about("host/paris-1", "")).has_value());
}

TEST_CASE_FIXTURE(Followers, "events are told by the API, to each tenant its own") {
  const auto own = office.ask("GET", "/v1/events?after=0", "", anna);
  REQUIRE(own.status == 200);
  CHECK(own.body["items"].size() > 2);
  for (const json::Value& event : own.body["items"]) CHECK(event["tenant"] == "acme");
  CHECK(own.body["next"] == office.audit().size());
  CHECK(office.ask("GET", "/v1/events?after=0", "", vera).body["items"].empty());
  const std::string stranger = office.owner("other", "oscar");
  const auto theirs = office.ask("GET", "/v1/events?after=0", "", stranger);
  for (const json::Value& event : theirs.body["items"]) CHECK(event["tenant"] == "other");
  CHECK(office.ask("GET", "/v1/events").status == 401);
}

TEST_CASE("a page is a stream whose last id is where to go on") {
  EventPage page;
  page.next = 9;
  CHECK(event_stream(page) == "id: 9\n\n");
  page.items.push_back(event_view(entry_about("vm/1", "acme")));
  page.items[0].record.words = "two\nlines";
  const std::string text = event_stream(page);
  CHECK(text.starts_with("id: 7\ndata: {\""));
  CHECK(text.ends_with("}\n\nid: 9\n\n"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 5);
}
