// A host of the scenarios' world, with its BMC.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/id.h"
#include "base/time.h"
#include "base/wire.h"

namespace bascule::test {

struct Machine {
  bool powered = true;
  bool frozen = false;     // no process runs, the guests neither; memory is kept
  bool hostd = true;       // runs; else only its guard speaks
  bool to_manager = true;  // its link to the manager
  bool to_peers = true;    // its probes are answered
  bool hellos = false;     // has a session
  int boot = 1;
  std::uint64_t memory_mib = 4096;
  std::map<VmId, Generation> domains;
  std::map<VmId, Generation> tombstones;
  std::optional<ErrorCode> refuses_start;
  bool guard_armed = false;
  std::optional<wire::StorageServer> carries;  // of its site's storage
  std::map<HostId, Instant> seen;              // when each peer last answered it
  // Its BMC
  bool bmc_alive = true;
  bool bmc_mute = false;  // power off is never answered, and does nothing
  std::string bmc_guid;
  HostId bmc_controls;  // the machine whose power it really switches
};

}  // namespace bascule::test
