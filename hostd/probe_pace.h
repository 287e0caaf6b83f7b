// ProbePace: when to ask the peers, and when to tell the manager what they answered. Pure.
#pragma once

#include <algorithm>
#include <vector>

#include "base/time.h"
#include "base/wire.h"

namespace bascule::hostd {

struct ProbePace {
  Duration ask;
  Duration tell;
};

// Usually four times in a heartbeat and once, so that a lost answer is no silence. While a peer that used to
// answer has just fallen silent, both happen more often: a lost host is told from lost packets sooner. One
// that stays silent for longer has been told of.
inline ProbePace pace_of(const std::vector<wire::PeerSighting>& sightings, Duration heartbeat) {
  constexpr Duration kFresh = 10s;
  constexpr Duration kFastest = 20ms;
  const bool doubts =
      std::any_of(sightings.begin(), sightings.end(), [&](const wire::PeerSighting& sighting) {
        return sighting.age && *sighting.age > heartbeat && *sighting.age < heartbeat + kFresh;
      });
  if (!doubts) return {heartbeat / 4, heartbeat};
  return {std::max<Duration>(heartbeat / 20, kFastest), heartbeat / 4};
}

}  // namespace bascule::hostd
