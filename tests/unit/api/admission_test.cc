// Who gets through to what: every path, for every role, in every kind of scope. A golden file.
#include <doctest/doctest.h>

#include <cstdlib>

#include "api/represent.h"
#include "api/routes.h"
#include "failover/access/needs.h"
#include "tests/unit/api/example_state.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace {

using namespace bascule;
using namespace bascule::api;

std::string verdict(const State& state, const Route& route, const char* who, const Vm& vm) {
  const Scope scope = route.reach == Reach::machine ? scope_of(vm) : Scope();
  const auto why = why_denied(state.directory, OperatorId(who), route.needs, scope);
  if (!why) return "yes";
  return why->code == ErrorCode::reason_required ? "reason" : "no";
}

}  // namespace

// BASCULE_UPDATE_GOLDEN=1 writes the file anew; read the difference as a change of who may see and do what.
TEST_CASE("who gets through to which path") {
  Snapshot snapshot = example_snapshot();
  State& state = snapshot.state;
  const std::vector<std::pair<const char*, StaffRole>> people{{"nadia", StaffRole::noc},
                                                              {"alice", StaffRole::administrator},
                                                              {"olga", StaffRole::security_officer},
                                                              {"paul", StaffRole::auditor}};
  state.directory.staff.clear();
  for (const auto& [name, role] : people) state.directory.staff[OperatorId(name)] = {role};
  Vm own = state.vms.begin()->second;
  Vm theirs = own;
  theirs.record.spec.tenant = TenantId("acme");
  Vm delivered = theirs;
  delivered.record.delivered = true;
  std::string text = "path: role own machine, a tenant's, with a reason, delivered\n";
  for (const Route& route : routes()) {
    text += std::string(route.method) + " " + std::string(route.pattern) + "\n";
    for (const char* who : {"nadia", "alice", "olga", "paul", "mallory"}) {
      const auto staff = state.directory.staff.find(OperatorId(who));
      const std::string_view role =
          staff == state.directory.staff.end() ? "nobody" : name_of(staff->second[0]);
      State with = state;
      AccessSession session;
      session.id = AccessId("a1");
      session.by = OperatorId(who);
      session.tenant = TenantId("acme");
      with.directory.access[session.id] = session;
      text += "  " + std::string(role) + " " + verdict(state, route, who, own) + ", " +
              verdict(state, route, who, theirs) + ", " + verdict(with, route, who, theirs) + ", " +
              verdict(with, route, who, delivered) + "\n";
    }
  }
  const std::string path = std::string(BASCULE_SOURCE_DIR) + "/tests/golden/access/paths.txt";
  if (std::getenv("BASCULE_UPDATE_GOLDEN")) ::test::write_file(path, text);
  CHECK_MESSAGE(::test::read_file(path) == text, path << " differs: is that meant?");
}
