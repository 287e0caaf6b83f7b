// Watch: what is out of the ordinary about people's access, told at once; and what there was of it in a week,
// told on Monday. Failed sign-ins and refusals are counted by person, looks by the machines that they were
// at.
#pragma once

#include "failover/turn.h"

namespace bascule {

void watch_opened(Turn& turn, const AccessSession& access);
// Refused: to sign in, or something that they may not. `what` is for people: "GET /v1/vms/{id}".
void watch_refused(Turn& turn, const OperatorId& who, const std::string& what);
// One of the provider's staff looked at a machine that is a tenant's.
void watch_look(Turn& turn, const OperatorId& who, const std::string& subject);
void watch_time(Turn& turn);  // windows that are over, and the week's report

}  // namespace bascule
