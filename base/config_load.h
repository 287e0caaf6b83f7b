// load_config<T>(path): a TOML file as a T with fields(). To be included by .cc files only: it brings
// json.hpp along.
//
// Keys that end in _ms may be members of type Duration; keys that end in _s are plain integers. What types
// can't say (ranges, keys that exclude each other) goes into a free function beside the struct, called when
// all else is right:
//   void check_config(const PolicyConfig& policy, const ConfigProblem& problem) {
//     if (policy.heartbeat_ms < 100ms) problem("policy.heartbeat_ms", "must be at least 100");
//   }
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "base/json.h"

namespace bascule {

using ConfigProblem = std::function<void(std::string_view path, std::string_view problem)>;

// A parsed file: its values, and the line where each of them stands.
class ConfigDocument {
 public:
  static Result<ConfigDocument> read(const std::string& path);  // at most 1 MiB
  static Result<ConfigDocument> parse(std::string_view text, const std::string& name);

  const json::Value& value() const { return value_; }
  Error refusal(const std::vector<json::FieldError>& errors) const;

 private:
  friend class ConfigReader;
  std::string name_;
  json::Value value_ = json::Value::object();
  std::map<std::string, std::uint32_t> lines_;  // "host[1].bmc.port" -> 17
};

template <class T>
Result<T> decode_config(const ConfigDocument& document) {
  T config{};
  std::vector<json::FieldError> errors;
  json::Decoder(document.value(), "", json::Unknown::refuse, errors).read(document.value(), "", config);
  const ConfigProblem problem = [&errors](std::string_view path, std::string_view text) {
    errors.push_back({std::string(path), std::string(text)});
  };
  if constexpr (requires { check_config(std::as_const(config), problem); })
    if (errors.empty()) check_config(std::as_const(config), problem);
  if (!errors.empty()) return failure(document.refusal(errors));
  return config;
}

template <class T>
Result<T> load_config(const std::string& path) {
  const Result<ConfigDocument> document = ConfigDocument::read(path);
  if (!document) return failure(document.error());
  return decode_config<T>(*document);
}

}  // namespace bascule
