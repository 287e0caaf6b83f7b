// Operators: the people of a run. Honest: they attest only what is true, and approve a failback now and then.
#pragma once

#include "tests/sim/world.h"

namespace bascule::sim {

class Operators {
 public:
  explicit Operators(World& world) : world_(world) {}

  // Drills every host, creates the VMs, then looks in from time to time.
  void begin();
  // Clears quarantines and attests what is down; repeated until all is well.
  void tidy_up();
  // From then on they ask for nothing of their own accord.
  void rest_from(Instant when) { rest_ = when; }

 private:
  void drill(const HostId& host);
  void create(int number);
  void look_in();
  void attest_if_dead(const HostId& host);
  void fail_back();
  void ask(EventBody body);
  Asked asked();

  World& world_;
  std::uint64_t requests_ = 0;
  std::optional<Instant> rest_;
};

}  // namespace bascule::sim
