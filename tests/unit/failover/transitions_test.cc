// The drawing and the tables say the same.
#include "failover/transitions.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace {

using namespace bascule;
using Edges = std::set<std::pair<std::string, std::string>>;

Edges drawn(const std::string& graph) {
  std::ifstream file(BASCULE_SOURCE_DIR "/failover/states.dot");
  Edges edges;
  std::string line;
  bool inside = false;
  while (std::getline(file, line)) {
    if (line.starts_with("digraph")) inside = line == "digraph " + graph + " {";
    std::istringstream words(line);
    std::string from, arrow, to;
    if (inside && words >> from >> arrow >> to && arrow == "->") edges.insert({from, to});
  }
  return edges;
}

template <class Table>
Edges of(const Table& table) {
  Edges edges;
  for (const auto& t : table) edges.insert({std::string(name_of(t.from)), std::string(name_of(t.to))});
  return edges;
}

}  // namespace

TEST_CASE("states.dot draws what the code allows") {
  CHECK(drawn("host") == of(kHostTransitions));
  CHECK(drawn("vm") == of(kVmTransitions));
  CHECK(drawn("host").size() == kHostTransitions.size());
}

TEST_CASE("some moves are never made") {
  CHECK_FALSE(may_go(kHostTransitions, HostPhase::up, HostPhase::fencing));
  CHECK_FALSE(may_go(kVmTransitions, VmPhase::running, VmPhase::starting));
  CHECK_FALSE(may_go(kVmTransitions, VmPhase::stopped, VmPhase::starting));
}
