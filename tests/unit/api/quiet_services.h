// Services of an API whose trail is in the store alone, and that nobody measures for.
#pragma once

#include "api/api.h"

namespace bascule::api {

inline Services services_with_nothing_new() {
  Services made;
  made.guest_metrics = [](const VmId&) { return Metrics::Series(); };
  made.host_metrics = [](const HostId&) { return Metrics::Series(); };
  made.host_now = made.host_metrics;
  made.recent = [](std::uint64_t, std::size_t, const TenantId&) -> std::optional<Trail::Page> {
    return std::nullopt;
  };
  made.follow = [](std::uint64_t, const TenantId&, Duration, const std::function<void()>& call) {
    call();
    return true;
  };
  return made;
}

}  // namespace bascule::api
