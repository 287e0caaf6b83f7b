#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "base/time.h"

namespace bascule {
namespace {
std::atomic<LogLevel> least_level{LogLevel::info};

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
    case LogLevel::none:
      return "error";
  }
  return "error";
}

void append_value(std::string& line, std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" \t\"=\\\n\r") == std::string_view::npos;
  if (plain) {
    line += value;
    return;
  }
  line += '"';
  for (char c : value) {
    if (c == '"' || c == '\\') line += '\\';
    if (c == '\n')
      line += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20)
      line += ' ';
    else
      line += c;
  }
  line += '"';
}
}  // namespace

void set_log_level(LogLevel least) { least_level = least; }

void log(LogLevel level, std::string_view component, std::string_view event,
         std::initializer_list<LogField> fields) {
  if (level < least_level.load()) return;
  std::string line = to_iso8601(SystemClock().wall());
  line.append(" ").append(name_of(level)).append(" ").append(component).append(" ").append(event);
  for (const LogField& field : fields) {
    line.append(" ").append(field.key).append("=");
    append_value(line, field.value);
  }
  line += '\n';
  // One write per line keeps lines of several threads and processes whole; a lost log line is not an error.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace bascule
