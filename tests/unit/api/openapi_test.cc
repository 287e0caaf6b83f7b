// What the API tells of itself. A golden file: its clients are generated from it.
#include "api/openapi.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "api/routes.h"
#include "base/json.h"
#include "base/schema.h"
#include "tests/unit/hostd/temporary_folder.h"

using namespace bascule;
using namespace bascule::api;

// BASCULE_UPDATE_GOLDEN=1 writes the file anew; read the difference as a change for every client.
TEST_CASE("the API tells of itself") {
  const std::string text = openapi_document(routes()) + "\n";
  const std::string path = std::string(BASCULE_SOURCE_DIR) + "/tests/golden/openapi.json";
  if (std::getenv("BASCULE_UPDATE_GOLDEN")) ::test::write_file(path, text);
  CHECK_MESSAGE(::test::read_file(path) == text, path << " differs: is that meant?");
}

TEST_CASE("every path that tenants have is told of, each under a name of its own") {
  std::set<std::string_view> names;
  for (const Route& route : routes()) {
    const bool for_visitors = route.admits.tenant || route.admits.visitors != Admission::Visitors::none;
    if (!for_visitors || route.pattern == "/v1/openapi.json") continue;
    CAPTURE(std::string(route.method) + " " + std::string(route.pattern));
    CHECK_FALSE(route.description.name.empty());
    CHECK(names.insert(route.description.name).second);
    CHECK_FALSE(route.description.summary.empty());
  }
}

TEST_CASE("names of types, as a document has them") {
  CHECK(json::short_name("bascule::api::VmView") == "VmView");
  CHECK(json::short_name("bascule::api::{anonymous}::UserView") == "UserView");
  CHECK(json::short_name("bascule::api::List<bascule::api::VmView>") == "VmViewList");
}

namespace {
struct Inner {
  std::optional<int> maybe;
  std::vector<std::string> words;
};
template <class V>
void fields(V& v, Inner& x) {
  v.optional("maybe", x.maybe);
  v.optional("words", x.words);
}
struct Outer {
  Inner inner;
  std::optional<std::uint32_t> null_or_number;
  Duration time{};
};
template <class V>
void fields(V& v, Outer& x) {
  v("inner", x.inner);
  v("number", x.null_or_number);
  v("time_ms", x.time);
}
}  // namespace

TEST_CASE("a schema is what the decoder takes and the encoder gives") {
  json::Schemas schemas;
  const json::Value taken = schemas.of<Outer>(json::Schemas::Use::taken);
  CHECK(taken["required"] == json::Value::array({"inner", "time_ms"}));
  CHECK(taken["additionalProperties"] == false);
  CHECK_FALSE(taken["properties"]["inner"].contains("required"));
  CHECK(schemas.named.empty());
  (void)schemas.of<Outer>(json::Schemas::Use::given);
  CHECK(schemas.named["Outer"]["required"] == json::Value::array({"inner", "number", "time_ms"}));
  CHECK(schemas.named["Inner"]["required"] == json::Value::array({"words"}));
  CHECK(schemas.named["Outer"]["properties"]["inner"]["$ref"] == "#/components/schemas/Inner");
  CHECK(schemas.named["Outer"]["properties"]["number"]["anyOf"][1]["type"] == "null");
}
