// What the guard says of this host's lease, read from the file that it publishes at least every second.
#pragma once

#include <functional>
#include <string>

#include "base/wire.h"

namespace bascule::hostd {

using ReadLease = std::function<Result<wire::LeaseFile>()>;
ReadLease lease_reader(const std::string& path);  // <run_dir>/lease.json

// `now` on CLOCK_BOOTTIME. A file that wasn't renewed for 5 s is of a guard that no longer runs.
wire::GuardStatus guard_status(const Result<wire::LeaseFile>& lease, const BootId& boot, Duration now);

// Whether a guest may begin to run at `now`: in mode stop only under a held lease.
Status lease_allows_start(const Result<wire::LeaseFile>& lease, const BootId& boot, Duration now);

}  // namespace bascule::hostd
