#include "cluster/gsm7.h"

#include <cstdint>

namespace bascule::gsm7 {
namespace {

constexpr std::u32string_view kBasic =
    U"@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    U"abcdefghijklmnopqrstuvwxyzäöñüà";
constexpr std::u32string_view kExtension = U"^{}\\[~]|€";  // behind an escape: two septets

struct Replacement {
  char32_t letter;
  std::string_view plain;
};
constexpr Replacement kReplacements[] = {
    {U'À', "A"},      {U'Á', "A"},      {U'Â', "A"},  {U'Ã', "A"},  {U'È', "E"},  {U'Ê', "E"},   {U'Ë', "E"},
    {U'Ì', "I"},      {U'Í', "I"},      {U'Î', "I"},  {U'Ï', "I"},  {U'Ò', "O"},  {U'Ó', "O"},   {U'Ô', "O"},
    {U'Õ', "O"},      {U'Ù', "U"},      {U'Ú', "U"},  {U'Û', "U"},  {U'Ý', "Y"},  {U'Ÿ', "Y"},   {U'á', "a"},
    {U'â', "a"},      {U'ã', "a"},      {U'ç', "c"},  {U'ê', "e"},  {U'ë', "e"},  {U'í', "i"},   {U'î', "i"},
    {U'ï', "i"},      {U'ó', "o"},      {U'ô', "o"},  {U'õ', "o"},  {U'ú', "u"},  {U'û', "u"},   {U'ý', "y"},
    {U'ÿ', "y"},      {U'œ', "oe"},     {U'Œ', "OE"}, {U'’', "'"},  {U'‘', "'"},  {U'“', "\""},  {U'”', "\""},
    {U'«', "\""},     {U'»', "\""},     {U'–', "-"},  {U'—', "-"},  {U'‑', "-"},  {U'…', "..."}, {U'→', "->"},
    {U'\u00a0', " "}, {U'\u202f', " "}, {U'\t', " "}, {U'\n', " "}, {U'\r', " "}, {U'`', "'"},   {U'°', "o"},
};

// The next character, and `at` behind it; U+FFFD for bytes that are no UTF-8.
char32_t next_character(std::string_view text, std::size_t& at) {
  constexpr char32_t kBad = 0xfffd;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at++);
  if (first < 0x80) return first;
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0;
  if (more == 0 || first > 0xf4) return kBad;
  char32_t value = first & (0x3f >> more);
  for (int i = 0; i < more; ++i) {
    if (at >= text.size() || (byte(at) & 0xc0) != 0x80) return kBad;
    value = (value << 6) | (byte(at++) & 0x3f);
  }
  return value;
}

bool is_basic(char32_t c) { return kBasic.find(c) != std::u32string_view::npos; }
bool is_extension(char32_t c) { return kExtension.find(c) != std::u32string_view::npos; }

std::string_view plain_form(char32_t c) {
  for (const Replacement& replacement : kReplacements)
    if (replacement.letter == c) return replacement.plain;
  return "?";
}

}  // namespace

std::string transliterate(std::string_view utf8) {
  std::string result;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t start = at;
    const char32_t c = next_character(utf8, at);
    const std::string_view piece =
        is_basic(c) || is_extension(c) ? utf8.substr(start, at - start) : plain_form(c);
    const bool second_space = piece == " " && (result.empty() || result.back() == ' ');
    if (!second_space) result += piece;
  }
  while (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

std::size_t septets(std::string_view utf8) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < utf8.size();) count += is_extension(next_character(utf8, at)) ? 2 : 1;
  return count;
}

std::string fit(std::string_view utf8, std::size_t most) {
  constexpr std::string_view kCut = "..";
  std::string text = transliterate(utf8);
  if (septets(text) <= most) return text;
  if (most < kCut.size()) return "";
  std::size_t kept = 0;  // bytes
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size();) {
    count += is_extension(next_character(text, at)) ? 2 : 1;
    if (count > most - kCut.size()) break;
    kept = at;
  }
  return text.substr(0, kept) + std::string(kCut);
}

}  // namespace bascule::gsm7
