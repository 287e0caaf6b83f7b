#include "base/hidden_line.h"

#include <termios.h>
#include <unistd.h>

#include <istream>
#include <ostream>

namespace bascule {

std::optional<Secret> ask_hidden(const std::string& question, std::istream& in, std::ostream& err,
                                 bool interactive) {
  termios before{};
  const bool hidden = interactive && tcgetattr(STDIN_FILENO, &before) == 0;
  if (hidden) {
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    err << question << ' ' << std::flush;
  }
  std::string line;
  const bool read = static_cast<bool>(std::getline(in, line));
  if (hidden) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    err << '\n';
  }
  if (!read || line.empty()) return std::nullopt;
  return Secret(std::move(line));
}

}  // namespace bascule
