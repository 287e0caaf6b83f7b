#include "api/router.h"

#include <doctest/doctest.h>

#include <set>

#include "api/api.h"
#include "api/routes.h"

using namespace bascule;
using namespace bascule::api;

namespace {

void first(Api&, Call) {}
void second(Api&, Call) {}

const std::vector<Route> kTable{
    {"GET", "/v1/vms", for_staff(Permission::see_fleet), Reach::fleet, first},
    {"GET", "/v1/vms/{id}", for_staff(Permission::see_machines), Reach::machine, second},
    {"DELETE", "/v1/vms/{id}", for_staff(Permission::change_contents), Reach::machine, first}};

}  // namespace

TEST_CASE("a path finds its handler and binds its parameters") {
  const auto found = match(kTable, "GET", "/v1/vms/web%201");
  REQUIRE(std::holds_alternative<Match>(found));
  const bool right = std::get<Match>(found).route->handler == second;
  CHECK(right);
  CHECK(std::get<Match>(found).parameters.at("id") == "web 1");
}

TEST_CASE("unknown paths and wrong methods are told apart") {
  CHECK(std::holds_alternative<NoSuchPath>(match(kTable, "GET", "/v1/vms/")));
  CHECK(std::holds_alternative<NoSuchPath>(match(kTable, "GET", "/v1/vms/a/b")));
  CHECK(std::holds_alternative<NoSuchPath>(match(kTable, "GET", "/v1/vms/%zz")));
  CHECK(std::holds_alternative<NoSuchPath>(match(kTable, "GET", "/v1/vms/a%00b")));
  CHECK(std::holds_alternative<NoSuchPath>(match(kTable, "GET", "")));
  const auto wrong = match(kTable, "PUT", "/v1/vms/a");
  REQUIRE(std::holds_alternative<WrongMethod>(wrong));
  CHECK(std::get<WrongMethod>(wrong).allowed == "GET, DELETE");
}

TEST_CASE("queries are decoded, broken ones refused") {
  const auto target = parse_target("/v1/events?after=5&wait=25&x=a%20b&flag");
  REQUIRE(target);
  CHECK(target->path == "/v1/events");
  CHECK(target->query.at("after") == "5");
  CHECK(target->query.at("x") == "a b");
  CHECK(target->query.at("flag").empty());
  CHECK_FALSE(parse_target("/v1/events?a=%"));
  CHECK_FALSE(parse_target("/v1/events?a=%0a"));
}

TEST_CASE("no two routes are the same") {
  std::set<std::string> seen;
  for (const Route& route : routes()) {
    CHECK(route.pattern.starts_with("/v1/"));
    CHECK(seen.insert(std::string(route.method) + " " + std::string(route.pattern)).second);
  }
}
