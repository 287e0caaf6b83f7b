// bascule: the operator's tool, over the manager's API.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "cli/app.h"
#include "cli/connect.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const char* no_color = std::getenv("NO_COLOR");
  bascule::cli::Terminal terminal;
  terminal.colours = isatty(STDOUT_FILENO) != 0 && (!no_color || *no_color == '\0');
  terminal.interactive = isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0;
  terminal.progress = isatty(STDERR_FILENO) != 0;
  bascule::cli::Session session(std::cout, std::cerr, std::cin, terminal, bascule::cli::connect);
  return bascule::cli::run({argv + 1, argv + argc}, session);
}
