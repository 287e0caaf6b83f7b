// Placement: on which host a VM can run now, and why on no other. Pure: it looks and chooses, it changes
// nothing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "failover/state.h"

namespace bascule {

struct PlacementWish {
  std::vector<SiteId> sites;                     // tried in this order; no other site is considered
  std::map<HostId, std::string> avoid;           // with the reason
  std::map<HostId, std::uint64_t> promised_mib;  // memory that a plan already gave away
};

struct PlacementChoice {
  std::optional<HostId> host;
  std::map<HostId, std::string> refused;  // each host that was looked at and can't, with the reason
  std::string explanation;                // one sentence for people
};

// Among the usable hosts of the first site that has one, the one with the most memory left; the first by name
// when equal.
PlacementChoice place(const State& state, const VmSpec& spec, const PlacementWish& wish);

// Why this host can't carry the VM; empty when it can.
std::string why_not(const Host& host, const VmSpec& spec, const PlacementWish& wish);

std::uint64_t free_mib(const Host& host);

}  // namespace bascule
