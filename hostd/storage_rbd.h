// A pool of Ceph RBD images: one Ceph pool at this host's site and, mirrored, one at the other site.
//
// Images are mirrored by snapshots that hostd takes itself while a guest runs (Ceph's own schedule needs a
// ceph-mgr, and wouldn't tell us when). Which side has the newest data is told by the image's tag
// "bascule.generation": the generation of the VM that had it last; a side that merely calls itself primary
// proves nothing.
#pragma once

#include <optional>

#include "hostd/ceph.h"
#include "hostd/storage.h"

namespace bascule::hostd {

struct RbdPoolConfig {
  CephAddress local;                  // of this site
  std::optional<CephAddress> remote;  // of the other site; without it nothing is mirrored
  Duration snapshot_every = 10s;      // of each volume that is in use: the data that a lost site costs
  unsigned copies = 0;                // that each cluster is to keep; 0: nothing is promised
};

// Both clusters are looked at in threads of the pool's own.
std::unique_ptr<StoragePool> make_rbd_pool(const std::string& name, const RbdPoolConfig& config,
                                           const Clock& clock);

}  // namespace bascule::hostd
