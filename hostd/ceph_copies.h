// How many copies of its data a Ceph pool keeps in its cluster, and the OSDs that could hold them now.
//
// Sources: docs.ceph.com "Pools" (size: replicas of each object), "Monitoring OSDs and PGs" (osd tree).
#pragma once

#include <string>

#include "base/result.h"
#include "base/wire.h"
#include "hostd/ceph.h"

namespace bascule::hostd {

// What the monitors answer in JSON to `osd pool get POOL size` and to `osd tree`.
Result<wire::ClusterCopies> copies_in(const std::string& pool_size, const std::string& osd_tree);

Result<wire::ClusterCopies> ask_copies(const Ceph& cluster);

// Why these are fewer than promised; empty: they aren't.
std::string too_few(const wire::ClusterCopies& copies, unsigned promised);

}  // namespace bascule::hostd
