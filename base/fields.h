// fields(): the one description of a type's members, from which decode, encode and documentation follow.
//
//   struct Nic { std::string bridge; std::string mac; };
//   template <class V> void fields(V& v, Nic& nic) {
//     v("bridge", nic.bridge);                 // required
//     v.optional("mac", nic.mac);              // absent keeps what the member held
//   }
//
// Members may be bool, integers, double, std::string, ids, counters, WallTime (a number of ms), Duration (a
// number of ms), enums (see below), std::optional, std::vector, std::map with string-like keys, std::variant
// of named structs, and any type with fields(). Enums: a free function `constexpr auto enum_names(E)` in the
// enum's namespace returns
//   std::array<EnumName<E>, N>.
// Variants: each alternative has `static constexpr std::string_view kType`; it is encoded beside its members
// as "type".
#pragma once

#include <string_view>

namespace bascule {

template <class E>
struct EnumName {
  E value;
  std::string_view name;
};

// The word of an enum value, from its enum_names().
template <class E>
constexpr std::string_view name_of(E value) {
  for (const auto& entry : enum_names(E{}))
    if (entry.value == value) return entry.name;
  return "?";
}

}  // namespace bascule
