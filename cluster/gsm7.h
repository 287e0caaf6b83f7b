// GSM 03.38: the 7-bit alphabet in which an SMS holds 160 characters. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bascule::gsm7 {

inline constexpr std::size_t kOneMessage = 160;  // septets

// Nothing but the alphabet: letters outside of it lose their accents ("ê" becomes "e"), typographic marks
// become plain ones, all else "?". Line breaks and runs of spaces become one space.
std::string transliterate(std::string_view utf8);

// Septets of a text that is already transliterated; "€", "[", "{" and the like take two.
std::size_t septets(std::string_view utf8);

// Transliterated and cut to at most `most` septets, with ".." at the cut, never within a character.
std::string fit(std::string_view utf8, std::size_t most = kOneMessage);

}  // namespace bascule::gsm7
