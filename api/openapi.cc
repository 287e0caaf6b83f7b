#include "api/openapi.h"

#include <set>

#include "api/body.h"
#include "api/conditions.h"
#include "api/routes.h"
#include "api/views.h"

namespace bascule::api {
namespace {

using json::Value;

constexpr const char* kAbout =
    "Machines that are kept running on two sites. Every change is an operation: it answers 200 when it has "
    "ended "
    "within 25 s, else 202 (at once with `Prefer: respond-async`), and `GET /v1/operations/{id}` follows it. "
    "One that came with an `Idempotency-Key` and is repeated within 24 h isn't done twice; with `If-Match` "
    "and "
    "the `ETag` of `GET /v1/vms/{id}` it is done only if the machine's settings are still the same. "
    "Every error is a problem (RFC 9457), "
    "with all "
    "wrong fields and their paths. Fields are only ever added. Sign in by `POST /v1/sessions`, or send an "
    "API token: "
    "`Authorization: Bearer …`.";

const char* words_of(int status) {
  switch (status) {
    case 200:
      return "Done";
    case 201:
      return "Made";
    case 202:
      return "Under way: follow the operation";
    case 400:
      return "The request is wrong";
    case 401:
      return "Sign in first";
    case 403:
      return "Not allowed";
    case 404:
      return "There is no such thing, or it isn't yours";
    case 409:
      return "The present state forbids it";
    case 412:
      return "The machine has been changed since";
    case 422:
      return "A rule of the house forbids it";
    default:
      return "Not possible now";
  }
}

Value content(const char* type, Value schema) { return {{type, {{"schema", std::move(schema)}}}}; }

Value refusal(int status) {
  return {{"description", words_of(status)},
          {"content", content("application/problem+json", {{"$ref", "#/components/schemas/Problem"}})}};
}

bool is_public(const Route& route) { return route.admits.visitors == Admission::Visitors::anyone; }
bool is_told(const Route& route) {
  const bool for_visitors = route.admits.tenant || route.admits.visitors != Admission::Visitors::none;
  return for_visitors && !route.description.name.empty();
}

Value header(const char* name, const char* what, Value schema) {
  return {{"name", name}, {"in", "header"}, {"description", what}, {"schema", std::move(schema)}};
}

Value parameters_of(const Route& route) {
  Value parameters = Value::array();
  std::string_view rest = route.pattern;
  for (std::size_t open = rest.find('{'); open != std::string_view::npos; open = rest.find('{')) {
    const std::size_t close = rest.find('}');
    parameters.push_back({{"name", rest.substr(open + 1, close - open - 1)},
                          {"in", "path"},
                          {"required", true},
                          {"schema", {{"type", "string"}, {"minLength", 1}}}});
    rest.remove_prefix(close + 1);
  }
  for (const Description::Query& query : route.description.queries) {
    Value schema{{"type", query.number ? "integer" : "string"}};
    if (query.number) schema["minimum"] = 0;
    parameters.push_back(
        {{"name", query.name}, {"in", "query"}, {"description", query.what}, {"schema", schema}});
  }
  if (!is_change(route)) return parameters;
  parameters.push_back(header("Prefer", "don't wait for its end: answer 202 at once",
                              {{"type", "string"}, {"enum", Value::array({"respond-async"})}}));
  parameters.push_back(
      header("Idempotency-Key",
             "of your own choice: within 24 h the same request isn't done twice, its outcome is "
             "told again",
             {{"type", "string"}, {"minLength", 1}, {"maxLength", 255}, {"pattern", "^[!-~]+$"}}));
  if (route.reach == Reach::machine)
    parameters.push_back(header("If-Match", "only if the machine's settings still have this ETag",
                                {{"type", "string"}, {"pattern", "^(\"[^\", ]{1,80}\"|\\*)$"}}));
  return parameters;
}

std::set<int> refusals_of(const Route& route) {
  std::set<int> statuses(route.description.also.begin(), route.description.also.end());
  if (route.description.takes || !route.description.queries.empty()) statuses.insert(400);
  if (!is_public(route)) statuses.insert(401);
  if (route.admits.tenant) statuses.insert(403);
  if (is_change(route)) statuses.insert({400, 409});  // of its headers
  if (is_change(route) && route.reach == Reach::machine) statuses.insert(412);
  if (route.pattern.find('{') != std::string_view::npos) statuses.insert(404);
  return statuses;
}

Value responses_of(const Route& route, json::Schemas& schemas) {
  const Description& told = route.description;
  const Value shape = told.gives ? *json::parse(told.gives(schemas)) : Value{{"type", "object"}};
  Value responses;
  Value contents = content("application/json", shape);
  if (told.streams) contents.update(content("text/event-stream", {{"type", "string"}}));
  responses[std::to_string(told.status)] = {{"description", words_of(told.status)},
                                            {"content", std::move(contents)}};
  if (is_change(route))
    responses["202"] = {{"description", words_of(202)}, {"content", content("application/json", shape)}};
  for (const int status : refusals_of(route)) responses[std::to_string(status)] = refusal(status);
  responses["default"] = refusal(0);
  return responses;
}

// "vms" of "/v1/vms/{id}".
std::string family_of(const Route& route) {
  const std::string path(route.pattern.substr(4));
  return path.substr(0, path.find('/'));
}

Value operation_of(const Route& route, json::Schemas& schemas) {
  const Description& told = route.description;
  Value operation{{"operationId", told.name},
                  {"summary", told.summary},
                  {"tags", Value::array({family_of(route)})},
                  {"responses", responses_of(route, schemas)}};
  if (Value parameters = parameters_of(route); !parameters.empty())
    operation["parameters"] = std::move(parameters);
  if (told.takes) {
    Value shape = *json::parse(told.takes(schemas));
    const bool required = shape.contains("required");
    operation["requestBody"] = {{"content", content("application/json", std::move(shape))},
                                {"required", required}};
  }
  if (is_public(route)) operation["security"] = Value::array();
  return operation;
}

std::string lower(std::string_view method) {
  std::string text(method);
  for (char& c : text) c = static_cast<char>(c | 0x20);
  return text;
}

void show_description(Api&, Call call) {
  static const std::string document = openapi_document(routes());
  call.answer(200, document);
}

}  // namespace

std::vector<Route> description_routes() {
  Admission everybody = for_anyone();
  everybody.staff = Permission::see_fleet;
  return {{"GET", "/v1/openapi.json", everybody, Reach::fleet, show_description}};
}

std::string openapi_document(const std::vector<Route>& routes) {
  json::Schemas schemas;
  (void)gives<Problem>(schemas);
  Value paths = Value::object();
  std::set<std::string> families;
  for (const Route& route : routes) {
    if (!is_told(route)) continue;
    paths[std::string(route.pattern)][lower(route.method)] = operation_of(route, schemas);
    families.insert(family_of(route));
  }
  Value tags = Value::array();
  for (const std::string& family : families) tags.push_back({{"name", family}});
  const Value document{
      {"openapi", "3.1.0"},
      {"info", {{"title", "Bascule"}, {"version", BASCULE_VERSION}, {"description", kAbout}}},
      {"servers", Value::array({{{"url", "/"}}})},
      {"security", Value::array({{{"token", Value::array()}}})},
      {"tags", tags},
      {"paths", paths},
      {"components",
       {{"schemas", schemas.named},
        {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  return document.dump(1);
}

}  // namespace bascule::api
