// Router: from method and path to a handler, by a table. Pure.
//
// A pattern is a path whose segments may be "{name}": one segment, percent-decoded, is bound to the name.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "failover/access/permission.h"

namespace bascule::api {

class Api;
struct Call;
using Handler = void (*)(Api& api, Call call);

// Whose scope a path is in: that of the whole fleet, or that of the machine which {id} names.
enum class Reach { fleet, machine };

struct Route {
  std::string_view method;
  std::string_view pattern;
  Permission needs;
  Reach reach = Reach::fleet;
  Handler handler = nullptr;
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
