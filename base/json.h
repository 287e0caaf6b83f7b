// JSON to and from the types that have fields(). To be included by .cc files only: it brings json.hpp along.
//
// decode() collects *all* errors, each with its path ("disks[1].size_gib: must be a number"), and gives
// nothing half-made.
#pragma once

#include <array>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
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
concept IsLeaf = std::is_same_v<T, bool> || std::is_same_v<T, double> || std::is_same_v<T, std::string> ||
    std::is_same_v<T, Duration>;
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
    slot(name) = encode(member);
  }
  template <class T>
  void optional(std::string_view name, T& member) {
    if constexpr (detail::IsOptional<T>::value) {
      if (!member) return;
    }
    (*this)(name, member);
  }
  Value object = Value::object();

 private:
  Value& slot(std::string_view name);
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

// Tells kMostErrors at most: more would only be work.
class Decoder {
 public:
  static constexpr std::size_t kMostErrors = 50;

  Decoder(const Value& object, std::string path, Unknown unknown, std::vector<FieldError>& errors)
      : object_(object), path_(std::move(path)), unknown_(unknown), errors_(errors) {}

  template <class T>
  void operator()(std::string_view name, T& member) {
    if (const Value* const found = find(name))
      read(*found, path_of(name), member);
    else if constexpr (!detail::IsOptional<T>::value)
      refuse(path_of(name), "is missing");
  }

  template <class T>
  void optional(std::string_view name, T& member) {
    const Value* const found = find(name);
    if (found && !found->is_null()) read(*found, path_of(name), member);
  }

  void finish(bool has_type);

  template <class T>
  void read(const Value& value, const std::string& path, T& member) {
    if constexpr (detail::IsOptional<T>::value) {
      if (value.is_null()) return member.reset();
      read(value, path, member.emplace());
    } else if constexpr (detail::IsId<T>::value)
      read_leaf(value, path, member.value);
    else if constexpr (detail::IsCounter<T>::value)
      read_integer(value, path, member.value);
    else if constexpr (std::is_same_v<T, WallTime>)
      read_integer(value, path, member.unix_ms);
    else if constexpr (std::is_same_v<T, Value>)
      member = value;
    else if constexpr (detail::IsLeaf<T>)
      read_leaf(value, path, member);
    else if constexpr (std::is_integral_v<T>)
      read_integer(value, path, member);
    else if constexpr (detail::HasEnumNames<T>)
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
  std::string path_of(std::string_view name) const;
  const Value* find(std::string_view name);  // null: absent; from now on it is a known field
  void refuse(const std::string& path, std::string problem);

  void read_leaf(const Value& value, const std::string& path, bool& member);
  void read_leaf(const Value& value, const std::string& path, double& member);
  void read_leaf(const Value& value, const std::string& path, std::string& member);
  void read_leaf(const Value& value, const std::string& path, Duration& member);

  struct WholeNumber {
    bool negative = false;
    std::int64_t value = 0;  // of a number that is not negative: the bits of an unsigned one
  };
  std::optional<WholeNumber> whole_number(const Value& value, const std::string& path);

  template <class T>
  void read_integer(const Value& value, const std::string& path, T& member) {
    const std::optional<WholeNumber> number = whole_number(value, path);
    if (!number) return;
    const auto magnitude = static_cast<std::uint64_t>(number->value);
    if (number->negative ? std::in_range<T>(number->value) : std::in_range<T>(magnitude))
      member = static_cast<T>(number->value);
    else
      refuse(path, "is out of range");
  }

  // The index of the word that `value` is.
  std::optional<std::size_t> choose(const Value& value, const std::string& path,
                                    std::span<const std::string_view> words);
  static const Value& type_of(const Value& value);  // null: it has none

  template <class E>
  void read_enum(const Value& value, const std::string& path, E& member) {
    constexpr auto names = enum_names(E{});
    std::array<std::string_view, names.size()> words;
    for (std::size_t i = 0; i < names.size(); ++i) words[i] = names[i].name;
    if (const std::optional<std::size_t> chosen = choose(value, path, words)) member = names[*chosen].value;
  }

  template <class T>
  void read_vector(const Value& value, const std::string& path, std::vector<T>& member) {
    if (!value.is_array()) return refuse(path, "must be a list");
    member.clear();
    for (std::size_t i = 0; i < value.size(); ++i) {
      T item{};
      read(value[i], path + "[" + std::to_string(i) + "]", item);
      member.push_back(std::move(item));
    }
  }

  template <class K, class T>
  void read_map(const Value& value, const std::string& path, std::map<K, T>& member) {
    if (!value.is_object()) return refuse(path, "must be an object");
    member.clear();
    for (const auto& [key, item] : value.get_ref<const Value::object_t&>()) {
      T decoded{};
      read(item, path + "." + key, decoded);
      member.emplace(K(key), std::move(decoded));
    }
  }

  template <class... T>
  void read_variant(const Value& value, const std::string& path, std::variant<T...>& member) {
    constexpr std::array<std::string_view, sizeof...(T)> words = {T::kType...};
    const std::optional<std::size_t> chosen =
        choose(type_of(value), path.empty() ? "type" : path + ".type", words);
    if (!chosen) return;
    std::size_t index = 0;
    ((index++ == *chosen ? read_object(value, path, member.template emplace<T>(), true) : void()), ...);
  }

  template <class T>
  void read_object(const Value& value, const std::string& path, T& member, bool has_type) {
    if (!value.is_object()) return refuse(path.empty() ? "document" : path, "must be an object");
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

extern const Value kNoValue;  // null

template <class T>
Result<T> decode(const Value& value, Unknown unknown) {
  std::vector<FieldError> errors;
  T result{};
  Decoder(kNoValue, "", unknown, errors).read(value, "", result);
  if (!errors.empty()) return failure(ErrorCode::invalid, describe(errors));
  return result;
}

template <class T>
Result<T> decode_text(std::string_view text, Unknown unknown) {
  const Result<Value> value = parse(text);
  if (!value) return failure(value.error());
  return decode<T>(*value, unknown);
}

std::string text_of(const Value& value);

template <class T>
std::string encode_text(const T& value) {
  return text_of(encode(value));
}

}  // namespace bascule::json
