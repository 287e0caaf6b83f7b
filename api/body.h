// Reading a request's body and numbers of its query. For .cc files of endpoints: brings json.hpp along.
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "api/api.h"
#include "api/views.h"
#include "base/json.h"
#include "base/schema.h"

namespace bascule::api {

inline constexpr std::size_t kLongestReason = 500;

// The body as T, unknown fields refused; an empty body counts as {}. Refuses the call and gives nothing when
// it is wrong.
template <class T>
std::optional<T> body_of(const Call& call) {
  const auto value = json::parse(call.request.body.empty() ? "{}" : call.request.body);
  if (!value) {
    call.refuse(problem_of(value.error()));
    return std::nullopt;
  }
  T decoded{};
  std::vector<json::FieldError> errors;
  json::Decoder(*value, "", json::Unknown::refuse, errors).read(*value, "", decoded);
  if (errors.empty()) return decoded;
  std::vector<FieldProblem> problems;
  for (const auto& error : errors) problems.push_back({error.path, error.problem});
  call.refuse(ErrorCode::invalid, json::describe(errors), std::move(problems));
  return std::nullopt;
}

// False, and the call is refused, when an operator's reason is missing or doesn't fit.
inline bool accept_reason(const Call& call, const std::string& reason, bool needed) {
  std::string problem;
  if (needed && reason.empty()) problem = "is missing: say why, it goes into the audit";
  if (reason.size() > kLongestReason) problem = "must be at most 500 bytes";
  for (const char c : reason)
    if (static_cast<unsigned char>(c) < 0x20) problem = "must be one line of text";
  if (problem.empty()) return true;
  call.refuse(ErrorCode::invalid, "reason: " + problem, {{"reason", problem}});
  return false;
}

// A whole number of the query from 0 to `most`; nothing, and the call is refused, when it is something else.
inline std::optional<std::uint64_t> number_of(const Call& call, const std::string& name,
                                              std::uint64_t otherwise, std::uint64_t most) {
  const auto found = call.query.find(name);
  if (found == call.query.end()) return otherwise;
  std::uint64_t number = 0;
  const std::string& text = found->second;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && number <= most) return number;
  const std::string problem = "must be a whole number from 0 to " + std::to_string(most);
  call.refuse(ErrorCode::invalid, name + ": " + problem, {{name, problem}});
  return std::nullopt;
}

// Lists come in pages.
inline constexpr std::uint64_t kPage = 100;            // for tenants, unless told
inline constexpr std::uint64_t kMostListed = 100'000;  // as many as there can be
inline std::vector<Description::Query> page_queries() {
  return {{"limit", "how many at most", true}, {"after", "begin after this: `next` of the page before"}};
}
// Nothing, and the call is refused, when it isn't a number.
inline std::optional<std::uint64_t> page_limit(const Call& call) {
  return number_of(call, "limit", call.tenant.empty() ? kMostListed : kPage, kMostListed);
}
// Answers with the page of `all` that was asked for, in the order of their keys.
template <class T, class Key>
void answer_page(const Call& call, std::vector<T> all, Key key) {
  const auto limit = page_limit(call);
  if (!limit) return;
  std::sort(all.begin(), all.end(), [&](const T& a, const T& b) { return key(a) < key(b); });
  const auto after = call.query.find("after");
  List<T> page;
  for (T& item : all) {
    if (after != call.query.end() && key(item) <= after->second) continue;
    if (page.items.size() == *limit) {
      if (!page.items.empty()) page.next = key(page.items.back());
      break;
    }
    page.items.push_back(std::move(item));
  }
  call.answer(200, json::encode_text(page));
}

// The shapes of bodies, for a route's description.
template <class T>
std::string takes(json::Schemas& schemas) {
  return json::text_of(schemas.of<T>(json::Schemas::Use::taken));
}
template <class T>
std::string gives(json::Schemas& schemas) {
  return json::text_of(schemas.of<T>(json::Schemas::Use::given));
}

// {"reason": "…"}: the body of most changes.
struct ReasonBody {
  std::string reason;
};
template <class V>
void fields(V& v, ReasonBody& x) {
  v.optional("reason", x.reason);
}

}  // namespace bascule::api
