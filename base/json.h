// JSON to and from the types that have fields(). To be included by .cc files only: it brings json.hpp along.
//
// decode() collects *all* errors, each with its path ("disks[1].size_gib: must be a number"), and gives
// nothing half-made.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule::json {

using Value = nlohmann::json;

enum class Unknown { refuse, tolerate };  // API input refuses unknown fields, stored records tolerate them

struct FieldError {
  std::string path;
  std::string problem;
};

class Encoder;
class Decoder;

namespace detail {
struct Probe {
  template <class T>
  void operator()(std::string_view, T&) {}
  template <class T>
  void optional(std::string_view, T&) {}
};
template <class T>
concept HasFields = requires(Probe& p, T& t) {
  fields(p, t);
};
template <class T>
concept HasEnumNames = std::is_enum_v<T> && requires {
  enum_names(T{});
};
template <class T>
struct IsId : std::false_type {};
template <class Tag>
struct IsId<Id<Tag>> : std::true_type {};
template <class T>
struct IsCounter : std::false_type {};
template <class Tag>
struct IsCounter<Counter<Tag>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class K, class T>
struct IsMap<std::map<K, T>> : std::true_type {};
template <class T>
struct IsVariant : std::false_type {};
template <class... T>
struct IsVariant<std::variant<T...>> : std::true_type {};
template <class T>
constexpr bool kUnsupported = false;

template <class K>
const std::string& key_text(const K& key) {
  if constexpr (std::is_same_v<K, std::string>)
    return key;
  else
    return key.value;
}
}  // namespace detail

template <class T>
Value encode(const T& value);

class Encoder {
 public:
  template <class T>
  void operator()(std::string_view name, T& member) {
    object[std::string(name)] = encode(member);
  }
  template <class T>
  void optional(std::string_view name, T& member) {
    if constexpr (detail::IsOptional<T>::value) {
      if (!member) return;
    }
    (*this)(name, member);
  }
  Value object = Value::object();
};

template <class T>
Value encode(const T& value) {
  if constexpr (detail::IsId<T>::value || detail::IsCounter<T>::value)
    return value.value;
  else if constexpr (std::is_same_v<T, WallTime>)
    return value.unix_ms;
  else if constexpr (std::is_same_v<T, Duration>)
    return std::chrono::duration_cast<std::chrono::milliseconds>(value).count();
  else if constexpr (std::is_same_v<T, Value>)
    return value;
  else if constexpr (std::is_same_v<T, bool> || std::is_arithmetic_v<T> || std::is_same_v<T, std::string>)
    return value;
  else if constexpr (detail::HasEnumNames<T>)
    return std::string(name_of(value));
  else if constexpr (detail::IsOptional<T>::value)
    return value ? encode(*value) : Value(nullptr);
  else if constexpr (detail::IsVector<T>::value) {
    Value array = Value::array();
    for (const auto& item : value) array.push_back(encode(item));
    return array;
  } else if constexpr (detail::IsMap<T>::value) {
    Value object = Value::object();
    for (const auto& [key, item] : value) object[detail::key_text(key)] = encode(item);
    return object;
  } else if constexpr (detail::IsVariant<T>::value) {
    return std::visit(
        [](const auto& alternative) {
          Value object = encode(alternative);
          object["type"] = std::string(std::decay_t<decltype(alternative)>::kType);
          return object;
        },
        value);
  } else if constexpr (detail::HasFields<T>) {
    Encoder encoder;
    // One fields() serves both directions, so it takes its type by plain reference; encoding only reads.
    fields(encoder, const_cast<T&>(value));
    return std::move(encoder.object);
  } else
    static_assert(detail::kUnsupported<T>, "this type has no fields()");
}

class Decoder {
 public:
  Decoder(const Value& object, std::string path, Unknown unknown, std::vector<FieldError>& errors)
      : object_(object), path_(std::move(path)), unknown_(unknown), errors_(errors) {}

  template <class T>
  void operator()(std::string_view name, T& member) {
    seen_.emplace_back(name);
    const auto found = object_.find(std::string(name));
    if (found == object_.end()) {
      if constexpr (!detail::IsOptional<T>::value) errors_.push_back({path_of(name), "is missing"});
      return;
    }
    read(*found, path_of(name), member);
  }

  template <class T>
  void optional(std::string_view name, T& member) {
    seen_.emplace_back(name);
    const auto found = object_.find(std::string(name));
    if (found != object_.end() && !found->is_null()) read(*found, path_of(name), member);
  }

  void finish(bool has_type) {
    if (unknown_ == Unknown::tolerate) return;
    for (const auto& [key, ignored] : object_.items()) {
      const bool known =
          (has_type && key == "type") || std::find(seen_.begin(), seen_.end(), key) != seen_.end();
      if (!known) errors_.push_back({path_of(key), "is not a known field"});
    }
  }

  template <class T>
  void read(const Value& value, const std::string& path, T& member) {
    if constexpr (detail::IsOptional<T>::value) {
      if (value.is_null()) return member.reset();
      read(value, path, member.emplace());
    } else if constexpr (detail::IsId<T>::value)
      read_string(value, path, member.value);
    else if constexpr (detail::IsCounter<T>::value)
      read_integer(value, path, member.value);
    else if constexpr (std::is_same_v<T, WallTime>)
      read_integer(value, path, member.unix_ms);
    else if constexpr (std::is_same_v<T, Duration>) {
      std::int64_t milliseconds = 0;
      read_integer(value, path, milliseconds);
      constexpr std::int64_t kLongest = 1'000'000'000'000;  // 31 years: no overflow in nanoseconds
      if (milliseconds < -kLongest || milliseconds > kLongest)
        errors_.push_back({path, "is out of range"});
      else
        member = std::chrono::milliseconds(milliseconds);
    } else if constexpr (std::is_same_v<T, Value>)
      member = value;
    else if constexpr (std::is_same_v<T, bool>) {
      if (value.is_boolean())
        member = value.template get<bool>();
      else
        errors_.push_back({path, "must be true or false"});
    } else if constexpr (std::is_same_v<T, std::string>)
      read_string(value, path, member);
    else if constexpr (std::is_integral_v<T>)
      read_integer(value, path, member);
    else if constexpr (std::is_floating_point_v<T>) {
      if (value.is_number())
        member = value.template get<T>();
      else
        errors_.push_back({path, "must be a number"});
    } else if constexpr (detail::HasEnumNames<T>)
      read_enum(value, path, member);
    else if constexpr (detail::IsVector<T>::value)
      read_vector(value, path, member);
    else if constexpr (detail::IsMap<T>::value)
      read_map(value, path, member);
    else if constexpr (detail::IsVariant<T>::value)
      read_variant(value, path, member);
    else
      read_object(value, path, member, false);
  }

 private:
  std::string path_of(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }

  void read_string(const Value& value, const std::string& path, std::string& member) {
    if (value.is_string())
      member = value.get<std::string>();
    else
      errors_.push_back({path, "must be a string"});
  }

  template <class T>
  void read_integer(const Value& value, const std::string& path, T& member) {
    if (value.is_number_integer()) {  // true of unsigned ones too
      const bool fits = value.is_number_unsigned() ? std::in_range<T>(value.get<std::uint64_t>())
                                                   : std::in_range<T>(value.get<std::int64_t>());
      if (fits)
        member = value.get<T>();
      else
        errors_.push_back({path, "is out of range"});
    } else
      errors_.push_back({path, "must be a whole number"});
  }

  template <class E>
  void read_enum(const Value& value, const std::string& path, E& member) {
    std::string choices;
    for (const auto& entry : enum_names(E{})) {
      if (value.is_string() && value.get_ref<const std::string&>() == entry.name) {
        member = entry.value;
        return;
      }
      choices += (choices.empty() ? "" : ", ") + std::string(entry.name);
    }
    errors_.push_back({path, "must be one of: " + choices});
  }

  template <class T>
  void read_vector(const Value& value, const std::string& path, std::vector<T>& member) {
    if (!value.is_array()) {
      errors_.push_back({path, "must be a list"});
      return;
    }
    member.clear();
    for (std::size_t i = 0; i < value.size(); ++i) {
      T item{};
      read(value[i], path + "[" + std::to_string(i) + "]", item);
      member.push_back(std::move(item));
    }
  }

  template <class K, class T>
  void read_map(const Value& value, const std::string& path, std::map<K, T>& member) {
    if (!value.is_object()) {
      errors_.push_back({path, "must be an object"});
      return;
    }
    member.clear();
    for (const auto& [key, item] : value.items()) {
      T decoded{};
      read(item, path + "." + key, decoded);
      member.emplace(K(key), std::move(decoded));
    }
  }

  template <class... T>
  void read_variant(const Value& value, const std::string& path, std::variant<T...>& member) {
    const bool named = value.is_object() && value.contains("type") && value["type"].is_string();
    const std::string type = named ? value["type"].template get<std::string>() : "";
    bool found = false;
    std::string choices;
    const auto attempt = [&](auto alternative) {
      using Alternative = decltype(alternative);
      choices += (choices.empty() ? "" : ", ") + std::string(Alternative::kType);
      if (found || type != Alternative::kType) return;
      found = true;
      read_object(value, path, alternative, true);
      member = std::move(alternative);
    };
    (attempt(T{}), ...);
    if (!found) errors_.push_back({path.empty() ? "type" : path + ".type", "must be one of: " + choices});
  }

  template <class T>
  void read_object(const Value& value, const std::string& path, T& member, bool has_type) {
    if (!value.is_object()) {
      errors_.push_back({path.empty() ? "document" : path, "must be an object"});
      return;
    }
    Decoder inner(value, path, unknown_, errors_);
    fields(inner, member);
    inner.finish(has_type);
  }

  const Value& object_;
  std::string path_;
  Unknown unknown_;
  std::vector<FieldError>& errors_;
  std::vector<std::string> seen_;
};

std::string describe(const std::vector<FieldError>& errors);  // "a: is missing; b[2].c: must be a string"

// Parses text of at most 64 levels; syntax errors name their position.
Result<Value> parse(std::string_view text);

template <class T>
Result<T> decode(const Value& value, Unknown unknown) {
  std::vector<FieldError> errors;
  T result{};
  const Value nothing = Value::object();
  Decoder(nothing, "", unknown, errors).read(value, "", result);
  if (!errors.empty()) return failure(ErrorCode::invalid, describe(errors));
  return result;
}

template <class T>
Result<T> decode_text(std::string_view text, Unknown unknown) {
  const Result<Value> value = parse(text);
  if (!value) return failure(value.error());
  return decode<T>(*value, unknown);
}

template <class T>
std::string encode_text(const T& value) {
  return encode(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace bascule::json
