// The loss of a whole site: quorum evidence that lifts the brake. It replaces no receipt.
#pragma once

#include "failover/turn.h"

namespace bascule {

// Every host of the site (at least two) is silent for more than 1.5 heartbeats or known to be lost.
bool may_site_be_lost(const State& state, const SiteId& site, Instant now, const Policy& policy);

// Every host of the site is suspect or worse, and every host that is up elsewhere confirms the silence of
// each.
bool is_site_lost(const State& state, const SiteId& site, Instant now, const Policy& policy);

// One incident for all; each host is then fenced on its own.
void declare_site_lost(Turn& turn, const SiteId& site, const Turn::Facts& facts);

}  // namespace bascule
