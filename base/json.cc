#include "base/json.h"

#include <algorithm>

namespace bascule::json {
namespace {
// Counts the depth and refuses documents that nest deeper than any of ours: recursion must stay bounded.
constexpr int kDeepest = 64;
}  // namespace

const Value kNoValue;

Value& Encoder::slot(std::string_view name) { return object[std::string(name)]; }

void Decoder::finish(bool has_type) {
  if (unknown_ == Unknown::tolerate) return;
  for (const auto& [key, ignored] : object_.items()) {
    const bool known =
        (has_type && key == "type") || std::find(seen_.begin(), seen_.end(), key) != seen_.end();
    if (!known) refuse(path_of(key), "is not a known field");
  }
}

std::string Decoder::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

const Value* Decoder::find(std::string_view name) {
  seen_.emplace_back(name);
  const auto found = object_.find(seen_.back());
  return found == object_.end() ? nullptr : &*found;
}

void Decoder::refuse(const std::string& path, std::string problem) {
  if (errors_.size() >= kMostErrors) return;
  errors_.push_back({path, std::move(problem)});
}

void Decoder::read_leaf(const Value& value, const std::string& path, bool& member) {
  if (value.is_boolean())
    member = value.get<bool>();
  else
    refuse(path, "must be true or false");
}

void Decoder::read_leaf(const Value& value, const std::string& path, double& member) {
  if (value.is_number())
    member = value.get<double>();
  else
    refuse(path, "must be a number");
}

void Decoder::read_leaf(const Value& value, const std::string& path, std::string& member) {
  if (value.is_string())
    member = value.get_ref<const std::string&>();
  else
    refuse(path, "must be a string");
}

void Decoder::read_leaf(const Value& value, const std::string& path, Duration& member) {
  std::int64_t milliseconds = 0;
  read_integer(value, path, milliseconds);
  constexpr std::int64_t kLongest = 1'000'000'000'000;  // 31 years: no overflow in nanoseconds
  if (milliseconds < -kLongest || milliseconds > kLongest)
    refuse(path, "is out of range");
  else
    member = std::chrono::milliseconds(milliseconds);
}

std::optional<Decoder::WholeNumber> Decoder::whole_number(const Value& value, const std::string& path) {
  if (value.is_number_unsigned())
    return WholeNumber{false, static_cast<std::int64_t>(value.get<std::uint64_t>())};
  if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    return WholeNumber{number < 0, number};
  }
  refuse(path, "must be a whole number");
  return std::nullopt;
}

std::optional<std::size_t> Decoder::choose(const Value& value, const std::string& path,
                                           std::span<const std::string_view> words) {
  std::string choices;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (value.is_string() && value.get_ref<const std::string&>() == words[i]) return i;
    choices += (choices.empty() ? "" : ", ") + std::string(words[i]);
  }
  refuse(path, "must be one of: " + choices);
  return std::nullopt;
}

const Value& Decoder::type_of(const Value& value) {
  const auto found = value.find("type");  // end() of what is no object
  return found == value.end() ? kNoValue : *found;
}

std::string text_of(const Value& value) {
  return value.dump(-1, ' ', false, Value::error_handler_t::replace);
}

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
