// Router: from method and path to a handler, by a table. Pure.
//
// A pattern is a path whose segments may be "{name}": one segment, percent-decoded, is bound to the name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "failover/access/permission.h"

namespace bascule::json {
class Schemas;
}

namespace bascule::api {

class Api;
struct Call;
using Handler = void (*)(Api& api, Call call);

// Whose scope a path is in: that of the whole fleet, or that of the machine which {id} names.
enum class Reach { fleet, machine };

// Who may call a path. Nobody by default.
struct Admission {
  enum class Visitors { none, signed_in, anyone };
  std::optional<Permission> staff{};   // of the provider's people, in the scope that the path reaches
  std::optional<Permission> tenant{};  // of a tenant's users, in their tenant's scope
  Visitors visitors = Visitors::none;  // whoever comes through a portal, about themselves
};
constexpr Admission for_staff(Permission needs) { return {.staff = needs}; }
constexpr Admission for_tenants(Permission needs) { return {.tenant = needs}; }
constexpr Admission for_both(Permission staff, Permission tenant) {
  return {.staff = staff, .tenant = tenant};
}
constexpr Admission for_both(Permission needs) { return for_both(needs, needs); }
constexpr Admission for_oneself() { return {.visitors = Admission::Visitors::signed_in}; }
constexpr Admission for_anyone() { return {.visitors = Admission::Visitors::anyone}; }

// Writes what a body looks like, as JSON Schema; the Schemas collect what it refers to.
using Shape = std::string (*)(json::Schemas& schemas);

// What a path is, as the API tells of itself (openapi.h). Without a name it isn't told of.
struct Description {
  struct Query {
    std::string_view name;
    std::string_view what;
    bool number = false;
  };
  std::string_view name;     // "create_vm"
  std::string_view summary;  // one line
  Shape takes = nullptr;     // the request's body
  Shape gives = nullptr;     // the answer's
  int status = 200;          // of the answer, when all is well
  std::vector<Query> queries = {};
  std::vector<int> also = {};  // other statuses than those of every path of its kind
  bool streams = false;        // the answer comes as Server-Sent Events too
};

struct Route {
  std::string_view method;
  std::string_view pattern;
  Admission admits;
  Reach reach = Reach::fleet;
  Handler handler = nullptr;
  Description description = {};
};

using Parameters = std::map<std::string, std::string>;

struct Target {
  std::string path;
  Parameters query;
};
// `invalid` when an escape is broken or decodes to a control character.
Result<Target> parse_target(const std::string& target);

struct Match {
  const Route* route;  // of the table that was searched
  Parameters parameters;
};
struct NoSuchPath {};
struct WrongMethod {
  std::string allowed;  // "GET, POST"
};
std::variant<Match, NoSuchPath, WrongMethod> match(const std::vector<Route>& routes, std::string_view method,
                                                   std::string_view path);

}  // namespace bascule::api
