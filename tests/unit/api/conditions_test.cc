// Requests that are not to be done twice, or only if nothing has changed.
#include <doctest/doctest.h>

#include "tests/unit/api/office.h"

using namespace bascule;
using namespace bascule::api;

namespace {

std::string machine(const std::string& name, bool start = false) {
  return R"({"name": ")" + name + R"(", "home": "paris", "memory_mib": 64, "start": )" +
         (start ? "true" : "false") + "}";
}

std::size_t made(const Office& office, const std::string& what = "create_vm") {
  const auto audit = office.audit();
  return static_cast<std::size_t>(std::count_if(
      audit.begin(), audit.end(), [&](const AuditRecord& entry) { return entry.what == what; }));
}

Office::Reply create(Office& office, const std::string& name, const std::string& key, bool start = false,
                     const std::string& by = "alice") {
  office.headers = {{"idempotency-key", key}};
  return office.ask("POST", "/v1/vms", machine(name, start), "", Door::operators, by);
}

Office::Reply change(Office& office, const std::string& tag, std::uint32_t memory) {
  office.headers = {{"if-match", tag}};
  return office.ask_as_staff("PUT", "/v1/vms/shop", R"({"memory_mib": )" + std::to_string(memory) + "}");
}

std::string tag_of(Office& office) {
  office.headers.clear();
  return office.ask_as_staff("GET", "/v1/vms/shop").headers.at("etag");
}

}  // namespace

TEST_CASE("a request that is repeated with its key is done once, also after a restart") {
  Office office;
  const auto first = create(office, "shop", "k1");
  REQUIRE(first.status == 200);
  const auto at_once = create(office, "shop", "\"k1\"");  // as a structured header writes it
  office.restart();
  const auto later = create(office, "shop", "k1");
  for (const auto& again : {at_once, later}) {
    CHECK(again.status == 200);
    CHECK(again.body["id"] == first.body["id"]);
    CHECK(again.body["subject"] == first.body["subject"]);
    CHECK(again.headers.at("x-request-id") == first.headers.at("x-request-id"));
  }
  CHECK(made(office) == 1);
  CHECK(create(office, "other", "k1").status == 409);                // another request
  CHECK(create(office, "other", "k1", false, "bob").status == 200);  // another person's key
  CHECK(create(office, "third", "k2").status == 200);
  CHECK(made(office) == 3);
}

TEST_CASE("a key stands for its request's outcome even when its machine is gone") {
  Office office;
  create(office, "shop", "k1");
  office.headers = {{"idempotency-key", "gone"}};
  CHECK(office.ask_as_staff("DELETE", "/v1/vms/shop").status == 200);
  CHECK(office.ask_as_staff("DELETE", "/v1/vms/shop").status == 200);
  office.restart();
  CHECK(office.ask_as_staff("DELETE", "/v1/vms/shop").status == 200);
  CHECK(made(office, "delete_vm") == 1);
  office.headers.clear();
  CHECK(office.ask_as_staff("DELETE", "/v1/vms/shop").status == 404);
}

TEST_CASE(
    "what was refused at once may be asked again with the same key, and the same operation's end waited "
    "for") {
  Office office;
  create(office, "shop", "k1");
  CHECK(create(office, "shop", "k2").status == 409);
  office.headers.clear();
  CHECK(office.ask_as_staff("DELETE", "/v1/vms/shop").status == 200);
  CHECK(create(office, "shop", "k2").status == 200);
  CHECK(create(office, "shop", "k2").status == 200);
  CHECK(made(office) == 2);
}

TEST_CASE("of a request that was under way when the manager ended nobody knows what became of it") {
  Office office;
  office.headers = {{"idempotency-key", "k1"}, {"prefer", "respond-async"}};
  const auto ask = [&] { return office.ask_as_staff("POST", "/v1/vms", machine("shop", true)); };
  REQUIRE(ask().status == 202);
  CHECK(ask().status == 202);
  CHECK(made(office) == 1);
  office.restart();
  const auto again = ask();
  CHECK(again.status == 504);
  CHECK(again.body["code"] == "unknown_outcome");
  CHECK(made(office) == 1);
}

TEST_CASE("a change is made only to settings that are as they were seen") {
  Office office;
  create(office, "shop", "k1");
  const std::string first = tag_of(office);
  CHECK(change(office, first, 128).status == 200);
  const std::string second = tag_of(office);
  CHECK(second != first);
  const auto refused = change(office, first, 256);
  CHECK(refused.status == 412);
  CHECK(refused.body["code"] == "changed");
  CHECK(tag_of(office) == second);
  CHECK(made(office, "refuse_access") == 1);
  CHECK(change(office, "*", 256).status == 200);
  office.headers = {{"if-match", first}};
  CHECK(office.ask_as_staff("DELETE", "/v1/vms/shop").status == 412);
  CHECK(office.ask_as_staff("POST", "/v1/vms/shop/start").status == 412);
}

TEST_CASE("conditions that can't be met are refused") {
  Office office;
  create(office, "shop", "k1");
  CHECK(create(office, "more", "two words").status == 400);
  CHECK(create(office, "more", "").status == 400);
  CHECK(create(office, "more", std::string(256, 'k')).status == 400);
  CHECK(change(office, "0", 128).status == 400);
  CHECK(change(office, "\"0\", \"1\"", 128).status == 400);
  CHECK(change(office, "\"shop\"", 128).status == 412);
  CHECK(change(office, "\"\"", 128).status == 400);
  office.headers = {{"if-match", "\"0\""}};
  CHECK(office.ask_as_staff("POST", "/v1/vms", machine("more")).status == 400);
  office.headers = {{"idempotency-key", "k9"}};
  CHECK(office.sign_in("acme/anna").status == 400);
  CHECK(office.ask_as_staff("GET", "/v1/vms/shop").status == 200);
}
