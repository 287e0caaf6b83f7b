// The log: one line per event on standard error, "time level component event key=value …".
//
// Values are quoted when they hold spaces; line breaks are escaped, so a line is always one record.
// Thread-safe. Secrets have no overload here, so they can't be logged.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace bascule {

enum class LogLevel { debug, info, warning, error, none };  // none: only to set

struct LogField {
  std::string_view key;
  std::string value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, std::uint64_t v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, std::int64_t v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, int v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <class Strong>
  requires requires(const Strong& s) { std::string_view(s.value); }
  LogField(std::string_view k, const Strong& id) : key(k), value(id.value) {}
  template <class Strong>
  requires requires(const Strong& s) { std::uint64_t{s.value}; }
  LogField(std::string_view k, const Strong& counter) : key(k), value(std::to_string(counter.value)) {}
};

void set_log_level(LogLevel least);
void log(LogLevel level, std::string_view component, std::string_view event,
         std::initializer_list<LogField> fields = {});

}  // namespace bascule
