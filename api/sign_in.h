// What signing in and one's own account have in common: the throttle, the second factor, the trail of
// failures.
#pragma once

#include <optional>
#include <string>

#include "api/api.h"

namespace bascule::api {

// False, and the call is refused, when this account or this source has to wait.
bool may_try(Api& api, const Call& call, const OperatorId& user);
// Counts against the account and the source; `known` accounts have it in their audit.
void note_failure(Api& api, const Call& call, const OperatorId& user, bool known);

// What proves that somebody has their second factor, for the engine to spend.
struct SecondProof {
  std::uint64_t step = 0;
  std::string recovery;  // SHA-256 of the recovery code that was given instead
};
// Empty proof where there is no second factor; nothing when `code` is none of it.
std::optional<SecondProof> prove_second_factor(const SecondFactor& second, const std::string& code,
                                               WallTime now);

}  // namespace bascule::api
