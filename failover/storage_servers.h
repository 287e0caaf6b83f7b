// Hosts that carry their site's storage too (hyperconverged). What daemons they have, and whether those can
// stop without making data unreachable, is told by any host of the site that reaches the storage.
#pragma once

#include <string>
#include <vector>

#include "failover/turn.h"

namespace bascule {

void on_storage_told(Turn& turn, const Host& from, const std::vector<wire::StorageServer>& servers);

// Why a host that may be dead keeps its power; empty: the storage can do without it, or nobody who lives
// reaches the storage, and so nobody needs it.
std::string why_storage_needs(const Turn& turn, const Host& host);
// Why a living one isn't switched off for an operator or a drill: also when nobody knows.
std::string why_not_off(const Turn& turn, const Host& host);

// The hosts are told, when that has changed, which of them were switched off by an operator.
void tell_kept(Turn& turn);

}  // namespace bascule
