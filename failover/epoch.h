// A restored database: older than what the hosts run. Until every host has reported or was attested nothing
// is started or fenced; running VMs are adopted with the hosts' generations.
#pragma once

#include "failover/turn.h"

namespace bascule {

void adopt_tombstones(Turn& turn, const Host& host, const std::vector<wire::Tombstone>& tombstones);
void end_recovering_epoch(Turn& turn);  // when all have reported; no effect otherwise

}  // namespace bascule
