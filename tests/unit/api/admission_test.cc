// Who gets through to what: every path, for every role, in every kind of scope. A golden file.
#include <doctest/doctest.h>

#include <cstdlib>

#include "api/admission.h"
#include "api/represent.h"
#include "api/routes.h"
#include "failover/access/needs.h"
#include "tests/unit/api/example_state.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace {

using namespace bascule;
using namespace bascule::api;

struct Person {
  std::string label;
  Door door = Door::operators;
  Principal who;
};

std::string verdict(const State& state, const Route& route, const Person& person, const Vm& vm) {
  const bool machine = route.reach == Reach::machine;
  const auto why = why_not_admitted(state, route, person.door, person.who, machine ? &vm : nullptr);
  if (!why) return "yes";
  return why->code == ErrorCode::reason_required ? "reason" : "no";
}

void add_user(State& state, std::vector<Person>& people, const std::string& tenant, const std::string& name,
              TenantRole role) {
  TenantUser user;
  user.id = OperatorId(tenant + "/" + name);
  user.tenant = TenantId(tenant);
  user.roles = {role};
  Token token;
  token.id = TokenId(user.id.value);
  token.user = user.id;
  state.directory.users[user.id] = user;
  state.directory.tokens[token.id] = token;
  people.push_back({user.id.value, Door::portal, {user.id, token.id}});
}

// One of each role; and who has none, or comes by the wrong door.
std::vector<Person> everybody(State& state) {
  std::vector<Person> people;
  state.directory.staff.clear();
  for (const auto& [role, name] : enum_names(StaffRole())) {
    const OperatorId id{std::string(name)};
    state.directory.staff[id] = {role};
    people.push_back({id.value, Door::operators, {id, TokenId()}});
  }
  people.push_back({"mallory", Door::operators, {OperatorId("mallory"), TokenId()}});
  for (const auto& [role, name] : enum_names(TenantRole()))
    add_user(state, people, "acme", std::string(name), role);
  add_user(state, people, "other", "owner", TenantRole::owner);
  people.push_back({"nobody, by a portal", Door::portal, {}});
  people.push_back({"administrator, by a portal", Door::portal, {OperatorId("administrator"), TokenId()}});
  people.push_back(
      {"acme/owner, as an operator", Door::operators, {OperatorId("acme/owner"), TokenId("acme/owner")}});
  return people;
}

}  // namespace

// BASCULE_UPDATE_GOLDEN=1 writes the file anew; read the difference as a change of who may see and do what.
TEST_CASE("who gets through to which path") {
  Snapshot snapshot = example_snapshot();
  State& state = snapshot.state;
  const std::vector<Person> people = everybody(state);
  Vm own = state.vms.begin()->second;
  Vm theirs = own;
  theirs.record.spec.tenant = TenantId("acme");
  Vm delivered = theirs;
  delivered.record.delivered = true;
  std::string text = "path: who: the provider's machine, one of acme's, with a reason, delivered\n";
  for (const Route& route : routes()) {
    text += std::string(route.method) + " " + std::string(route.pattern) + "\n";
    for (const Person& person : people) {
      State with = state;
      AccessSession session;
      session.id = AccessId("a1");
      session.by = person.who.id;
      session.tenant = TenantId("acme");
      with.directory.access[session.id] = session;
      text += "  " + person.label + ": " + verdict(state, route, person, own) + ", " +
              verdict(state, route, person, theirs) + ", " + verdict(with, route, person, theirs) + ", " +
              verdict(with, route, person, delivered) + "\n";
    }
  }
  const std::string path = std::string(BASCULE_SOURCE_DIR) + "/tests/golden/access/paths.txt";
  if (std::getenv("BASCULE_UPDATE_GOLDEN")) ::test::write_file(path, text);
  CHECK_MESSAGE(::test::read_file(path) == text, path << " differs: is that meant?");
}
