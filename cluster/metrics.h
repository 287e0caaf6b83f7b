// Metrics: what hosts and guests use now and used in the last 24 hours, as rates, from the counters that
// hosts send. In memory: a manager that starts begins anew.
//
// Thread-safe. Bounded: kMost subjects, kSteps steps of each; what wasn't seen for 24 hours is forgotten.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "base/time.h"
#include "base/wire_usage.h"
#include "failover/state.h"

namespace bascule {

// Means over a time.
struct Rates {
  double cpus = 0;      // at work: 1.5 is one and a half
  double memory = 0;    // bytes of the host's memory
  double reads = 0;     // a second, of disks
  double writes = 0;    // a second
  double read = 0;      // bytes a second
  double written = 0;   // bytes a second
  double received = 0;  // bytes a second, from the network
  double sent = 0;      // bytes a second
};

struct Measured {
  WallTime at;  // when the time that it stands for began
  Rates rates;
};

// Of the guests only those that are placed on that host: it has no say about others.
wire::Usage own_guests(const State& state, const HostId& host, wire::Usage usage);

class Metrics {
 public:
  static constexpr Duration kStep = 300s;
  static constexpr std::size_t kSteps = 288;
  static constexpr std::size_t kMost = 20'000;

  struct Series {
    std::optional<Measured> now;  // the last look; nothing when there was none within a minute
    std::vector<Measured> steps;  // oldest first; those in which nothing was seen are left out
    std::uint64_t link = 0;       // of a host: see wire::Usage
  };

  void note(const HostId& host, const wire::Usage& usage, WallTime wall);
  Series of_guest(const VmId& vm, WallTime wall) const { return series_of(guests_, vm, wall); }
  Series of_host(const HostId& host, WallTime wall) const { return series_of(hosts_, host, wall); }
  Series now_of_host(const HostId& host, WallTime wall) const;  // without steps

 private:
  struct Look {
    HostId host;
    Duration clock{};  // the host's own
    wire::Counters counters;
  };
  struct Step {
    std::int64_t number = 0;  // since 1970
    double seconds = 0;       // that were seen of it
    std::array<float, 8> means{};
  };
  struct Subject {
    Look last;
    std::optional<Measured> now;
    std::deque<Step> steps;
    WallTime seen;
    std::uint64_t link = 0;
  };

  static void note(Subject& subject, Look look, WallTime wall);
  static void add(Subject& subject, const Rates& rates, double seconds, WallTime wall);
  static Series now_of(const Subject& subject, WallTime wall);
  void forget_old(WallTime wall);
  template <class Id>
  Series series_of(const std::map<Id, Subject>& subjects, const Id& id, WallTime wall) const;

  mutable std::mutex mutex_;
  std::map<VmId, Subject> guests_;
  std::map<HostId, Subject> hosts_;
  WallTime looked_;  // for what is old
};

}  // namespace bascule
