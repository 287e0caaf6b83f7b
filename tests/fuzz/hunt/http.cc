// A request: its head and body as the listeners bound them, its target, its path in the API's own table.
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "api/routes.h"
#include "tests/fuzz/hunt/hunt.h"

namespace http = boost::beast::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(16 * 1024);
  parser.body_limit(64 * 1024);
  parser.eager(true);
  boost::beast::error_code error;
  parser.put(boost::asio::buffer(data, size), error);
  if (!parser.is_header_done()) return 0;
  const auto& request = parser.get();
  hunt::must(request.body().size() <= 64 * 1024);
  const auto target = bascule::api::parse_target(std::string(request.target()));
  if (!target) return hunt::must(!target.error().message.empty()), 0;
  const auto found =
      bascule::api::match(bascule::api::routes(), std::string(request.method_string()), target->path);
  if (const auto* match = std::get_if<bascule::api::Match>(&found))
    for (const auto& [name, value] : match->parameters) hunt::must(!value.empty());
  (void)bascule::json::parse(request.body());
  return 0;
}
