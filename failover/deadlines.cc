#include "failover/deadlines.h"

#include <algorithm>

#include "failover/fault_detector.h"

namespace bascule {

std::optional<Instant> deadline_of(const State& state, const Host& host, Instant now, const Policy& policy) {
  std::optional<Instant> earliest = detector_deadline(state, host, now, policy);
  const HostLive& live = host.live;
  const auto lapse_at = host.record.withheld ? std::nullopt : live.lapse_at;  // until it is decided
  for (const std::optional<Instant>& timer : {live.power_retry_at, live.revoke_retry_at, lapse_at,
                                              live.attested_until, live.next_check, live.drill_deadline})
    if (timer && (!earliest || *timer < *earliest)) earliest = timer;
  // Never now: a timer that its handler leaves standing must not spin.
  if (earliest) earliest = std::max(*earliest, now + 1ms);
  return earliest;
}

}  // namespace bascule
