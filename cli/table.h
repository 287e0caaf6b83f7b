// Table: rows with aligned columns, coloured only when asked to. Control characters of foreign text are shown
// as '?', so that nothing that a guest or a device named can steer the operator's terminal.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace bascule::cli {

enum class Tone { plain, good, warning, bad, dim, strong };

struct Cell {
  std::string text;
  Tone tone = Tone::plain;
};

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  void print(std::ostream& out, bool colours) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<Cell>> rows_;
};

std::string painted(const std::string& text, Tone tone, bool colours);
std::string harmless(const std::string& text);

// The tone of a state's word: "running", "held", "never_tested"…
Tone tone_of(const std::string& word);

}  // namespace bascule::cli
