// Lease: until when this host may run protected guests, and whether they have to be stopped now.
//
// Pure: clocks come in as arguments, nothing is read, written or killed here. Not thread-safe (Guard locks).
//
// The rules: a reply extends from the moment its own request was *sent*; time that has passed is the greater
// of what CLOCK_MONOTONIC_RAW and CLOCK_BOOTTIME say; only the reply to the latest request counts, and none
// of an older epoch or term; a deadline that has passed in mode `stop` is owed a stop of the guests, even if
// a new grant comes before anybody noticed.
#pragma once

#include <optional>
#include <string>

#include "base/wire.h"

namespace bascule::guard {

struct HostClocks {
  Duration raw{};   // CLOCK_MONOTONIC_RAW
  Duration boot{};  // CLOCK_BOOTTIME
  HostClocks operator+(Duration d) const { return {raw + d, boot + d}; }
};

// Lengths that grants may have; others are refused. The upper one allows for the long grants of a planned
// stop.
inline constexpr Duration kLongestTtl = 24h;

class Lease {
 public:
  Lease(ClusterId cluster, HostId host, BootId boot_id);

  // Takes up the record that a predecessor of the same boot left; that of another boot is ignored.
  void adopt(const wire::LeaseFile& record, HostClocks now);

  // The request to send now; it forgets any that is still unanswered. The grant is echoed only if it is
  // `recorded` where a successor finds it: the manager counts on what was echoed, also after guard has
  // crashed.
  wire::LeaseRequest next_request(HostClocks now, bool recorded);
  void accept(const wire::LeaseReply& reply, HostClocks now);
  void advance(HostClocks now);  // notices a deadline that has passed

  bool held() const { return valid_ && !stop_owed_; }
  // True: no protected guest may live. Stays true in mode `stop` until there is a grant again, so that a
  // guest that was just being started is found too.
  bool stop_due() const { return stop_owed_ || (mode_ == LeaseMode::stop && !valid_); }
  // What a stop did. Guests that still live keep the stop owed.
  void stopped(std::size_t killed, bool all_gone);

  void set_watchdog(bool armed, Duration timeout, std::string problem);
  void set_problem(std::string problem) { problem_ = std::move(problem); }

  LeaseMode mode() const { return mode_; }
  Duration ttl() const { return ttl_; }  // of the last grant; 0: none
  Duration kill_budget() const { return kill_budget_; }
  Duration time_left(HostClocks now) const;  // to the deadline; 0 when not held
  wire::LeaseFile file(HostClocks now) const;

 private:
  bool passed(HostClocks now) const { return now.raw >= deadline_.raw || now.boot >= deadline_.boot; }
  bool outdated(const wire::LeaseReply& reply);
  void grant(const wire::LeaseReply& reply, HostClocks sent, HostClocks now);
  void lose(std::string why);

  struct Sent {
    std::uint64_t sequence = 0;
    HostClocks at;
  };

  const ClusterId cluster_;
  const HostId host_;
  const BootId boot_id_;

  LeaseMode mode_ = LeaseMode::keep;  // of the last grant
  bool valid_ = false;                // granted, not revoked, deadline not passed
  bool stop_owed_ = false;
  HostClocks deadline_;
  Duration ttl_{};
  Duration kill_budget_ = 2s;
  Epoch epoch_;
  Term term_;
  std::uint64_t granted_sequence_ = 0;
  std::uint64_t last_sequence_ = 0;
  std::optional<Sent> unanswered_;
  std::uint64_t stops_ = 0;
  bool watchdog_armed_ = false;
  Duration watchdog_timeout_{};
  std::string problem_ = "no lease since guard started";
  std::string watchdog_problem_;
};

}  // namespace bascule::guard
