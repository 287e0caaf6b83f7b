// Addresses of guests: their MACs, and the IPv4 addresses that they are given of the provider's range. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/random.h"
#include "failover/state.h"

namespace bascule::api {

// A MAC of the tenant's, or of the range that QEMU's guests use; kept with the specification, so that it is
// stable over every move. Empty when all that the UUID gives are taken.
std::string make_mac(const std::string& uuid, const TenantId& tenant, const std::set<std::string>& taken);
std::set<std::string> macs_of(const State& state);

inline constexpr int kShortestPrefix = 8;
inline constexpr int kLongestPrefix = 30;

// "198.18.64.0/20"
struct Range {
  std::uint32_t network = 0;
  int prefix = 32;

  bool contains(std::uint32_t address) const;
};
std::optional<std::uint32_t> parse_v4(const std::string& text);
std::optional<Range> parse_range(const std::string& text);  // no bits beyond the prefix

// One of the range that no guest has and that isn't `reserved`, by chance, so that two who ask at once seldom
// get the same; not its first, nor its last. Nothing when all are taken.
std::optional<std::string> free_address(const Range& range, const std::set<std::string>& reserved,
                                        const State& state, Random& random);

}  // namespace bascule::api
