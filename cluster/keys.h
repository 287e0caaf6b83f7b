// The store's keys: one place that knows how they read. kTermKey and kRecoveringKey stand in store.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/id.h"

namespace bascule::keys {

inline constexpr std::string_view kCluster = "cluster";
inline constexpr std::string_view kMarker = "commit";  // CommitMarker: the manager's last commit
inline constexpr std::string_view kHosts = "host/";
inline constexpr std::string_view kVms = "vm/";
inline constexpr std::string_view kIncidents = "incident/";
inline constexpr std::string_view kPlans = "plan/";
inline constexpr std::string_view kTenants = "tenant/";
inline constexpr std::string_view kAccess = "access/";
inline constexpr std::string_view kUsers = "user/";              // + tenant/name
inline constexpr std::string_view kTokens = "token/";            // + hash
inline constexpr std::string_view kImages = "image/";            // + id
inline constexpr std::string_view kAudit = "audit/";             // + number, 20 digits: sorts as it grows
inline constexpr std::string_view kCheckpoints = "checkpoint/";  // + number of the last entry, 20 digits
inline constexpr std::string_view kRequests = "request/";        // + id
inline constexpr std::string_view kOutbox = "outbox/";           // + number, 20 digits

inline std::string host(const HostId& id) { return std::string(kHosts) + id.value; }
inline std::string vm(const VmId& id) { return std::string(kVms) + id.value; }
inline std::string incident(const IncidentId& id) { return std::string(kIncidents) + id.value; }
inline std::string request(const RequestId& id) { return std::string(kRequests) + id.value; }
inline std::string plan(const PlanId& id) { return std::string(kPlans) + id.value; }

inline std::string twenty_digits(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(20 - digits.size(), '0') + digits;
}
inline std::string audit(std::uint64_t number) { return std::string(kAudit) + twenty_digits(number); }
inline std::string checkpoint(std::uint64_t number) {
  return std::string(kCheckpoints) + twenty_digits(number);
}
inline std::string outbox(std::uint64_t number) { return std::string(kOutbox) + twenty_digits(number); }

}  // namespace bascule::keys
