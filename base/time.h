// Time: an Instant decides, a WallTime only annotates.
//
// Code that decides takes `Instant now` as an argument. Only main programs and pumps own a Clock.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace bascule {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

// A point on one machine's monotonic clock. Never stored, never sent: it means nothing elsewhere.
struct Instant {
  Duration since_start{0};

  auto operator<=>(const Instant&) const = default;
  Instant operator+(Duration d) const { return {since_start + d}; }
  Instant operator-(Duration d) const { return {since_start - d}; }
  Duration operator-(Instant other) const { return since_start - other.since_start; }
};

// Milliseconds since 1970-01-01 UTC, for people and records.
struct WallTime {
  std::int64_t unix_ms = 0;
  auto operator<=>(const WallTime&) const = default;
};

std::string to_iso8601(WallTime time);  // "2026-11-25T19:00:43.123Z"

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;
};

// What the machine says, read each time. elapsed_max() and elapsed_min() are for the lease plane:
// on the host a lease is over when *either* clock says so, at the manager only when *both* do.
class SystemClock final : public Clock {
 public:
  Instant now() const override;  // CLOCK_BOOTTIME
  WallTime wall() const override;
  Duration monotonic_raw() const;  // CLOCK_MONOTONIC_RAW
  Duration boottime() const;       // CLOCK_BOOTTIME
};

}  // namespace bascule
