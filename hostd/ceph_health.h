// What `ceph health` says of a cluster, as far as it threatens data or will stop a pool.
//
// Source: docs.ceph.com "Health checks", for Ceph 16.2.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace bascule::hostd {

// The codes ("OSD_NEARFULL"), in order, of the monitors' answer in JSON, without those that an administrator
// muted. Without counts, which change all the time.
Result<std::vector<std::string>> codes_of_health(const std::string& answer);

}  // namespace bascule::hostd
