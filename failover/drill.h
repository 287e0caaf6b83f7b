// The commissioning drill: proof that this BMC ends this host. Its GUID is read, it cuts the power, the boot
// must fall silent, the power comes back, and another boot says hello. Only then is the BMC bound, and its
// "off" counts as evidence.
#pragma once

#include "failover/turn.h"

namespace bascule {

void drill_host(Turn& turn, const DrillHost& asked);
void drill_bmc_checked(Turn& turn, Host& host, const BmcChecked& checked);
void drill_power_off_done(Turn& turn, Host& host, const PowerOffDone& done);
void drill_power_on_done(Turn& turn, Host& host, const PowerOnDone& done);
bool hello_in_drill(Turn& turn, Host& host);  // true: the hello was the drill's, nothing else is to be done
void drill_due(Turn& turn, Host& host);

}  // namespace bascule
