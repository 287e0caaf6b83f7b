#include "base/json.h"

namespace bascule::json {
namespace {
// Counts the depth and refuses documents that nest deeper than any of ours: recursion must stay bounded.
constexpr int kDeepest = 64;
}  // namespace

std::string describe(const std::vector<FieldError>& errors) {
  std::string text;
  for (const FieldError& error : errors) {
    if (!text.empty()) text += "; ";
    text += error.path + ": " + error.problem;
  }
  return text;
}

Result<Value> parse(std::string_view text) {
  bool too_deep = false;
  const auto guard = [&too_deep](int depth, Value::parse_event_t, Value&) {
    if (depth > kDeepest) too_deep = true;
    return depth <= kDeepest;
  };
  try {
    Value value = Value::parse(text.begin(), text.end(), guard);
    if (too_deep) return failure(ErrorCode::invalid, "JSON nests deeper than 64 levels");
    return value;
  } catch (const nlohmann::json::exception& error) {
    return failure(ErrorCode::invalid, std::string("not JSON: ") + error.what());
  }
}

}  // namespace bascule::json
