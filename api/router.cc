#include "api/router.h"

#include <optional>

namespace bascule::api {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    plain += c;
  }
  return plain;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<Parameters> bind(std::string_view pattern, const std::vector<std::string_view>& segments) {
  const auto expected = split(pattern, '/');
  if (expected.size() != segments.size()) return std::nullopt;
  Parameters parameters;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!expected[i].starts_with('{')) {
      if (expected[i] != segments[i]) return std::nullopt;
      continue;
    }
    const auto value = decode(segments[i]);
    if (!value || value->empty()) return std::nullopt;
    parameters.emplace(expected[i].substr(1, expected[i].size() - 2), *value);
  }
  return parameters;
}

}  // namespace

Result<Target> parse_target(const std::string& target) {
  Target parsed;
  const std::size_t mark = target.find('?');
  parsed.path = target.substr(0, mark);
  if (mark == std::string::npos) return parsed;
  for (const std::string_view pair : split(std::string_view(target).substr(mark + 1), '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const auto name = decode(pair.substr(0, equals));
    const auto value = decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    if (!name || !value)
      return failure(ErrorCode::invalid, "the query has a broken escape or a control character");
    parsed.query[*name] = *value;
  }
  return parsed;
}

std::variant<Match, NoSuchPath, WrongMethod> match(const std::vector<Route>& routes, std::string_view method,
                                                   std::string_view path) {
  const auto segments = split(path, '/');
  std::string allowed;
  for (const Route& route : routes) {
    auto parameters = bind(route.pattern, segments);
    if (!parameters) continue;
    if (route.method == method) return Match{&route, std::move(*parameters)};
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  if (!allowed.empty()) return WrongMethod{allowed};
  return NoSuchPath{};
}

}  // namespace bascule::api
