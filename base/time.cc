#include "base/time.h"

#include <cstdio>
#include <ctime>

namespace bascule {
namespace {
Duration read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}
}  // namespace

std::string to_iso8601(WallTime time) {
  std::int64_t seconds = time.unix_ms / 1000;
  std::int64_t millis = time.unix_ms % 1000;
  if (millis < 0) {
    millis += 1000;
    seconds -= 1;
  }
  const std::time_t t = static_cast<std::time_t>(seconds);
  std::tm utc{};
  gmtime_r(&t, &utc);
  char date[40];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%s.%03dZ", date, static_cast<int>(millis));
  return text;
}

Instant SystemClock::now() const { return {boottime()}; }
WallTime SystemClock::wall() const {
  return {std::chrono::duration_cast<std::chrono::milliseconds>(read_clock(CLOCK_REALTIME)).count()};
}
Duration SystemClock::monotonic_raw() const { return read_clock(CLOCK_MONOTONIC_RAW); }
Duration SystemClock::boottime() const { return read_clock(CLOCK_BOOTTIME); }

}  // namespace bascule
