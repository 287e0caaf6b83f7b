#include "cli/table.h"

#include <algorithm>
#include <map>
#include <ostream>

namespace bascule::cli {
namespace {

// Of UTF-8 text: every byte that doesn't continue a character begins one.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

const char* escape_of(Tone tone) {
  switch (tone) {
    case Tone::good:
      return "\033[32m";
    case Tone::warning:
      return "\033[33m";
    case Tone::bad:
      return "\033[31m";
    case Tone::dim:
      return "\033[2m";
    case Tone::strong:
      return "\033[1m";
    case Tone::plain:
      break;
  }
  return "";
}

}  // namespace

std::string harmless(const std::string& text) {
  std::string safe = text;
  for (char& c : safe)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return safe;
}

std::string painted(const std::string& text, Tone tone, bool colours) {
  if (!colours || tone == Tone::plain) return harmless(text);
  return escape_of(tone) + harmless(text) + "\033[0m";
}

void Table::print(std::ostream& out, bool colours) const {
  std::vector<std::size_t> widths;
  for (const std::string& title : header_) widths.push_back(width(title));
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], width(row[i].text));
  const auto print_row = [&](const std::vector<Cell>& row) {
    std::string line;
    std::size_t owed = 0;  // spaces that are only written when more text follows
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      if (!row[i].text.empty()) {
        line += std::string(owed, ' ') + painted(row[i].text, row[i].tone, colours);
        owed = 0;
      }
      owed += widths[i] - width(row[i].text) + 2;
    }
    out << line << '\n';
  };
  std::vector<Cell> titles;
  for (const std::string& title : header_) titles.push_back({title, Tone::dim});
  print_row(titles);
  for (const auto& row : rows_) print_row(row);
}

Tone tone_of(const std::string& word) {
  static const std::map<std::string, Tone> tones{
      {"NOMINAL", Tone::good},     {"up", Tone::good},          {"running", Tone::good},
      {"ready", Tone::good},       {"yes", Tone::good},         {"done", Tone::good},
      {"home", Tone::good},        {"suspect", Tone::warning},  {"fencing", Tone::warning},
      {"starting", Tone::warning}, {"stopping", Tone::warning}, {"recovering", Tone::warning},
      {"absent", Tone::warning},   {"deleting", Tone::warning}, {"never tested", Tone::warning},
      {"away", Tone::warning},     {"held", Tone::bad},         {"down", Tone::bad},
      {"failed", Tone::bad},       {"failing", Tone::bad},      {"no", Tone::bad},
      {"quarantined", Tone::bad},  {"refused", Tone::bad},      {"expired", Tone::dim},
      {"stopped", Tone::dim}};
  const auto found = tones.find(word);
  return found == tones.end() ? Tone::plain : found->second;
}

}  // namespace bascule::cli
