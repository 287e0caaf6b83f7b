// Who gets through to a path's handler. Pure; the one place on the API's side.
#pragma once

#include <optional>

#include "api/router.h"
#include "failover/access/authorize.h"
#include "failover/state.h"

namespace bascule::api {

enum class Door { operators, portal };  // which listener a request came in by

// Nothing when they may. `vm`: what {id} names, where the route reaches a machine; null when nothing of that
// name exists. Whoever comes through a portal can't tell what isn't theirs from what doesn't exist.
std::optional<Error> why_not_admitted(const State& state, const Route& route, Door door, const Principal& who,
                                      const Vm* vm);

}  // namespace bascule::api
