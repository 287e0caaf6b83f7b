// The phases that a host and a VM may go through: the only moves that the engine makes, checked at each one.
// Drawn in states.dot; a test holds the drawing and these tables together.
#pragma once

#include <array>

#include "failover/state.h"

namespace bascule {

template <class Phase>
struct Transition {
  Phase from;
  Phase to;
};

inline constexpr auto kHostTransitions = [] {
  using P = HostPhase;
  using T = Transition<P>;
  return std::array{
      T{P::absent, P::up},    T{P::absent, P::suspect},  T{P::absent, P::held},  T{P::absent, P::down},
      T{P::up, P::suspect},   T{P::up, P::held},         T{P::up, P::down},      T{P::suspect, P::up},
      T{P::suspect, P::held}, T{P::suspect, P::fencing}, T{P::suspect, P::down}, T{P::held, P::up},
      T{P::held, P::fencing}, T{P::held, P::down},       T{P::fencing, P::down}, T{P::fencing, P::held},
      T{P::fencing, P::up},   T{P::down, P::up},         T{P::down, P::held},
  };
}();

inline constexpr auto kVmTransitions = [] {
  using P = VmPhase;
  using T = Transition<P>;
  return std::array{
      T{P::stopped, P::recovering},  T{P::stopped, P::running},     T{P::stopped, P::deleting},
      T{P::starting, P::running},    T{P::starting, P::recovering}, T{P::starting, P::stopping},
      T{P::starting, P::failed},     T{P::running, P::recovering},  T{P::running, P::stopping},
      T{P::running, P::failed},      T{P::stopping, P::stopped},    T{P::stopping, P::running},
      T{P::stopping, P::recovering}, T{P::recovering, P::starting}, T{P::stopping, P::starting},
      T{P::recovering, P::running},  T{P::recovering, P::stopping}, T{P::recovering, P::stopped},
      T{P::recovering, P::failed},   T{P::failed, P::recovering},   T{P::failed, P::stopping},
      T{P::failed, P::running},      T{P::failed, P::deleting},
  };
}();

template <class Phase, std::size_t N>
constexpr bool may_go(const std::array<Transition<Phase>, N>& table, Phase from, Phase to) {
  if (from == to) return true;
  for (const auto& transition : table)
    if (transition.from == from && transition.to == to) return true;
  return false;
}

}  // namespace bascule
