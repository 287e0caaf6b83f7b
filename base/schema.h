// JSON Schema (draft 2020-12) of the types that have fields(): what the Decoder takes and the Encoder gives.
// To be included by .cc files only: it brings json.hpp along.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/ensure.h"
#include "base/json.h"

namespace bascule::json {

// "UserView" of bascule::api::{anonymous}::UserView, "UserViewList" of List<UserView>.
std::string short_name(std::string_view type);

template <class T>
std::string name_of_type() {
  constexpr std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t begin = text.find("T = ") + 4;
  return std::string(text.substr(begin, text.find_first_of(";]", begin) - begin));
}

// The schemas of a document. Structs that are given have a name, under which `named` keeps them; structs that
// are taken stand where they are used, and refuse fields that they don't know.
class Schemas {
 public:
  enum class Use { taken, given };

  template <class T>
  Value of(Use use);

  std::map<std::string, Value> named;

 private:
  template <class T>
  Value leaf();
  template <class T>
  Value object(Use use);
  template <class... T>
  Value choice(Use use, const std::variant<T...>*);

  std::map<std::string, std::string> types_;  // whose name it is
};

// Collects the members of a struct.
class SchemaVisitor {
 public:
  SchemaVisitor(Schemas& schemas, Schemas::Use use) : schemas_(schemas), use_(use) {}

  template <class T>
  void operator()(std::string_view name, T&) {
    add<T>(name, use_ == Schemas::Use::given || !detail::IsOptional<T>::value);
  }
  template <class T>
  void optional(std::string_view name, T&) {
    add<T>(name, use_ == Schemas::Use::given && !detail::IsOptional<T>::value);
  }
  Value object = {{"type", "object"}, {"properties", Value::object()}};

 private:
  template <class T>
  void add(std::string_view name, bool required) {
    object["properties"][std::string(name)] = schemas_.of<T>(use_);
    if (required) object["required"].push_back(name);
  }
  Schemas& schemas_;
  const Schemas::Use use_;
};

template <class T>
Value Schemas::leaf() {
  if constexpr (std::is_same_v<T, bool>)
    return {{"type", "boolean"}};
  else if constexpr (std::is_same_v<T, double>)
    return {{"type", "number"}};
  else if constexpr (std::is_same_v<T, WallTime>)
    return {{"type", "integer"}, {"format", "int64"}, {"description", "milliseconds since 1970 (UTC)"}};
  else if constexpr (std::is_same_v<T, Duration>)
    return {{"type", "integer"}, {"format", "int64"}, {"description", "milliseconds"}};
  else if constexpr (detail::IsCounter<T>::value)
    return {{"type", "integer"}, {"format", "int64"}, {"minimum", 0}};
  else if constexpr (std::is_integral_v<T>) {
    const bool small = sizeof(T) <= 4 && std::is_signed_v<T>;
    Value schema{{"type", "integer"}, {"format", small ? "int32" : "int64"}};
    if constexpr (std::is_unsigned_v<T>) schema["minimum"] = 0;
    if constexpr (sizeof(T) <= 4) schema["maximum"] = std::numeric_limits<T>::max();
    return schema;
  } else
    return {{"type", "string"}};
}

template <class T>
Value Schemas::of(Use use) {
  if constexpr (detail::IsOptional<T>::value) {
    return {{"anyOf", Value::array({of<typename T::value_type>(use), {{"type", "null"}}})}};
  } else if constexpr (detail::IsVector<T>::value) {
    return {{"type", "array"}, {"items", of<typename T::value_type>(use)}};
  } else if constexpr (detail::IsMap<T>::value) {
    return {{"type", "object"}, {"additionalProperties", of<typename T::mapped_type>(use)}};
  } else if constexpr (detail::IsVariant<T>::value) {
    return choice(use, static_cast<const T*>(nullptr));
  } else if constexpr (detail::HasEnumNames<T>) {
    Value schema{{"type", "string"}, {"enum", Value::array()}};
    for (const auto& entry : enum_names(T{})) schema["enum"].push_back(entry.name);
    return schema;
  } else if constexpr (detail::HasFields<T>) {
    return object<T>(use);
  } else {
    return leaf<T>();
  }
}

template <class T>
Value Schemas::object(Use use) {
  const std::string type = name_of_type<T>();
  const std::string name = short_name(type);
  const Value reference{{"$ref", "#/components/schemas/" + name}};
  if (use == Use::given) {
    const auto [known, fresh] = types_.emplace(name, type);
    ensure(known->second == type, "two types that the API gives have one name");
    if (!fresh) return reference;
  }
  SchemaVisitor visitor(*this, use);
  T value{};
  fields(visitor, value);
  if (use == Use::given) {
    named[name] = std::move(visitor.object);
    return reference;
  }
  visitor.object["additionalProperties"] = false;
  return std::move(visitor.object);
}

template <class... T>
Value Schemas::choice(Use use, const std::variant<T...>*) {
  Value schema{{"oneOf", Value::array()}};
  const auto add = [&](const auto& alternative) {
    using Alternative = std::decay_t<decltype(alternative)>;
    SchemaVisitor visitor(*this, use);
    Alternative value{};
    fields(visitor, value);
    visitor.object["properties"]["type"] = {{"const", Alternative::kType}};
    visitor.object["required"].push_back("type");
    schema["oneOf"].push_back(std::move(visitor.object));
  };
  (add(T{}), ...);
  return schema;
}

}  // namespace bascule::json
