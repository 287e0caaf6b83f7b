// Readiness: would it work if it had to happen now? Asked all day, so that the answer isn't found out at
// night.
#pragma once

#include <string>
#include <vector>

#include "failover/turn.h"

namespace bascule {

enum class FencingState { ready, failing, never_tested };
constexpr auto enum_names(FencingState) {
  using F = FencingState;
  return std::array{EnumName<F>{F::ready, "ready"}, EnumName<F>{F::failing, "failing"},
                    EnumName<F>{F::never_tested, "never_tested"}};
}
struct FencingReadiness {
  FencingState state = FencingState::never_tested;
  std::string words;  // why, and what to do
};
// Can this host's death be proved without a person?
FencingReadiness fencing_readiness(const Host& host, const Policy& policy);

// Would the lapse of this boot's lease be evidence?
bool lease_counts(const Host& host, const Policy& policy);

struct Switchable {
  bool yes = false;
  std::string words;  // "yes: …" or "no, because …"
};
// Would this VM be started at another site if its host died now?
Switchable switchable_now(const State& state, const Vm& vm, const Policy& policy);

// What is not automatic in this set-up, in sentences; empty when everything is.
std::vector<std::string> not_automatic(const State& state, const Policy& policy);

void readiness_due(Turn& turn, Host& host);
void bmc_checked(Turn& turn, Host& host, const BmcChecked& checked);
void lease_observed(Turn& turn, Host& host, const LeaseObserved& observed);

}  // namespace bascule
