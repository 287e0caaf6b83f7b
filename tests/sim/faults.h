// Faults: what goes wrong in a run, when, and how it is repaired. Drawn from the run's seed.
#pragma once

#include "tests/sim/world.h"

namespace bascule::sim {

class Faults {
 public:
  explicit Faults(World& world) : world_(world) {}

  // Plans `options.faults` faults or more over the length, or, for a noise run, only what must raise no
  // alarm.
  void plan();
  // Ends every fault: links join, BMCs answer, hosts are on, the manager runs.
  void repair();
  std::uint64_t struck() const { return struck_; }  // that hit; noise doesn't count

 private:
  void strike();
  bool hits();  // these give false where there was nothing to hit
  void noise();
  bool lose_host(Host& host);
  bool disturb_bmc(const HostId& id);
  bool flap(const std::string& link);
  bool cut_for(const std::string& link, Duration how_long);
  bool lose_site(const SiteId& site);
  bool disturb_manager();
  Host& any_host() { return world_.host(world_.random().pick(world_.host_ids())); }
  Duration a_while() { return world_.random().between(5s, 300s); }

  World& world_;
  std::uint64_t struck_ = 0;
};

}  // namespace bascule::sim
