// What this host uses, from /proc and /sys. Blocks no longer than a read of a file there does.
#pragma once

#include <string>

#include "base/wire_usage.h"

namespace bascule::hostd {

// `root` stands before /proc and /sys: empty but in tests. What can't be read is 0.
wire::Counters host_usage(const std::string& root);

// Bytes a second that its own interfaces carry at most, each way; 0 when none tells its speed.
std::uint64_t link_speed(const std::string& root);

}  // namespace bascule::hostd
