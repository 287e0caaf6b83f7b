// Guard: the three threads of bascule-guard around one Lease.
//
// The deadline thread alone stops guests and pets the watchdog; it does no network, file or log output, so
// nothing slow can hold it up. The renewal thread asks managers for the lease. A third one publishes
// lease.json and logs.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "hostd/guard/kill.h"
#include "hostd/guard/lease.h"
#include "hostd/guard/watchdog.h"

namespace bascule::guard {

// What Guard does to the world; main() gives the real ones.
struct GuardHands {
  std::function<HostClocks()> clocks;
  std::function<GuestSearch()> find_guests;
  std::function<KillReport(Duration budget)> kill_guests;
  std::function<void()> reset_machine;  // empty: only the watchdog bites
  // Asks one manager, blocking at most `time`. Called by the renewal thread only; `manager` counts from 0.
  std::function<Result<wire::LeaseReply>(std::size_t manager, const wire::LeaseRequest&, Duration time)> ask;
};

class Guard {
 public:
  static constexpr Duration kLongestTick = 100ms;

  Guard(Lease lease, Watchdog& watchdog, std::string lease_path, std::size_t managers, GuardHands hands);

  // One look at the deadline: first the guests, then the watchdog. Returns how long the next may wait.
  Duration tick();
  // One renewal. Returns how long the next may wait.
  Duration renew();
  // Writes lease.json if it changed or is a second old. False: what stands there is not what the lease is.
  bool publish();

  // Bodies of the renewal and publishing threads; both end soon after stop().
  void renew_until_stopped();
  void publish_until_stopped();
  void stop();

  // For an orderly exit, on the deadline thread, after stop(): the watchdog is left armed, for a successor to
  // pet, if a guest still depends on it.
  void leave();

 private:
  bool stop_guests(Duration budget);
  void tend_watchdog(LeaseMode mode, HostClocks now);
  bool sleep(Duration time);  // false: stopped

  Watchdog& watchdog_;
  const std::string lease_path_;
  const std::size_t managers_;
  const GuardHands hands_;

  std::mutex lease_mutex_;  // held for copies and arithmetic only
  Lease lease_;
  HostClocks last_tick_;

  Duration next_arm_{};  // deadline thread only: on CLOCK_BOOTTIME

  std::size_t manager_ = 0;  // renewal thread only: which one is asked

  std::mutex publish_mutex_;
  wire::LeaseFile published_;
  bool publishing_works_ = true;
  bool published_once_ = false;

  std::mutex stop_mutex_;
  std::condition_variable stop_requested_;
  bool stopping_ = false;
};

}  // namespace bascule::guard
