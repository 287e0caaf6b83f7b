// Which hosts carry a Ceph cluster, and whether it can do without them for a while; and the flag `noout` of
// those that were switched off by an operator.
//
// Hosts are known by their buckets in the CRUSH map and by what monitors call them: the short hostname, which
// must be their name in manager.toml. Sources: docs.ceph.com "CRUSH maps", "Monitoring OSDs and PGs"
// (ok-to-stop, osd set-group).
#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/wire.h"
#include "hostd/ceph.h"

namespace bascule::hostd {

// What the monitors answer, in JSON.
struct CephInventory {
  std::string osd_tree;
  std::string mon_metadata;
  std::string quorum_status;
};
// Of these hosts, those with daemons; whether they can stop isn't told by it.
Result<std::vector<wire::StorageServer>> servers_in(const CephInventory& inventory,
                                                    const std::set<HostId>& hosts);

class CephServers {
 public:
  explicit CephServers(Ceph& cluster) : cluster_(cluster) {}

  // From any thread: the hosts that there are, and those of them that are off for a while. Before it is
  // called nothing is looked at.
  void tell_hosts(std::set<HostId> hosts, std::set<HostId> kept);
  // One round, which blocks; for a thread of its own.
  void look();
  // What the last round found, once; nothing where there are no servers, nor were.
  std::optional<std::vector<wire::StorageServer>> take_news();

 private:
  Result<std::vector<wire::StorageServer>> ask(const std::set<HostId>& hosts);
  std::string why_not(const wire::StorageServer& server, std::string& silent);
  Status keep(const wire::StorageServer& server, bool kept);

  Ceph& cluster_;
  std::mutex mutex_;
  std::set<HostId> hosts_;
  std::set<HostId> kept_;
  std::optional<std::vector<wire::StorageServer>> news_;
  bool any_ = false;          // servers in the last round
  unsigned rounds_ = 0;       // without any
  std::string trouble_;       // logged last
  std::set<HostId> flagged_;  // by us, while they are kept: each time makes a new OSD map
};

}  // namespace bascule::hostd
