#include "api/conditions.h"

#include <algorithm>

#include "api/body.h"
#include "base/sha256.h"

namespace bascule::api {
namespace {

constexpr std::size_t kLongestKey = 255;
constexpr std::size_t kLongestTag = 80;

// Without the quotes of a structured header (RFC 8941, 3.3.3), which not every client sends.
std::string unquoted(const std::string& text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// A version 8 UUID (RFC 9562, 5.8): the same for the same person and key.
RequestId id_of(const OperatorId& by, const std::string& key) {
  std::string hex = sha256_hex(by.value + "\n" + key).substr(0, 32);
  hex[12] = '8';
  hex[16] = 'a';
  return RequestId(hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
                   hex.substr(16, 4) + "-" + hex.substr(20));
}

bool refuse(const Call& call, const std::string& header, const std::string& problem) {
  call.refuse(ErrorCode::invalid, header + ": " + problem, {{header, problem}});
  return false;
}

bool read_key(const Route& route, Call& call, const std::string& header) {
  if (!is_change(route))
    return refuse(call, "Idempotency-Key", "isn't taken here: only what answers with an operation takes one");
  const std::string key = unquoted(header);
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (key.empty() || key.size() > kLongestKey || !printable)
    return refuse(call, "Idempotency-Key", "must be 1 to 255 letters, digits and signs");
  call.id = id_of(call.by, key);
  call.digest = digest_of(call.request);
  return true;
}

bool read_tag(const Route& route, Call& call, const std::string& header) {
  if (!is_change(route) || route.reach != Reach::machine)
    return refuse(call, "If-Match", "isn't taken here: only changes of a machine take it");
  if (header == "*") return true;  // that it exists is asked anyway
  const std::string tag = unquoted(header);
  const bool is_one = !tag.empty() && tag.size() < header.size() && tag.size() <= kLongestTag &&
                      tag.find_first_of("\", ") == std::string::npos;
  if (!is_one) return refuse(call, "If-Match", "must be the ETag of GET /v1/vms/{id}, one, or *");
  call.settings = tag;
  return true;
}

}  // namespace

bool is_change(const Route& route) {
  return route.description.gives == gives<OperationView> && route.method != "GET";
}

std::string digest_of(const net::HttpRequest& request) {
  return sha256_hex(request.method + "\n" + request.target + "\n" + request.body);
}

bool read_conditions(const Route& route, Call& call) {
  if (route.method == "GET") return true;
  const auto& headers = call.request.headers;
  const auto key = headers.find("idempotency-key");
  if (key != headers.end() && !read_key(route, call, key->second)) return false;
  const auto tag = headers.find("if-match");
  return tag == headers.end() || read_tag(route, call, tag->second);
}

}  // namespace bascule::api
