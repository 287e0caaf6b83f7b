#include "hostd/ceph_servers.h"

#include <doctest/doctest.h>

namespace {

using namespace bascule;
using namespace bascule::hostd;

// As Ceph 16.2 answers.
const CephInventory kInventory{
    R"({"nodes":[
      {"id":-1,"name":"default","type":"root","children":[-5,-7,-9]},
      {"id":-5,"name":"paris-1","type":"host","children":[0,2]},
      {"id":0,"name":"osd.0","type":"osd","status":"up","exists":1},
      {"id":2,"name":"osd.2","type":"osd","status":"down","exists":1},
      {"id":-7,"name":"paris-2","type":"host","children":[1]},
      {"id":1,"name":"osd.1","type":"osd","status":"up","exists":1},
      {"id":-9,"name":"store-1","type":"host","children":[3]},
      {"id":3,"name":"osd.3","type":"osd","status":"up","exists":1}],"stray":[]})",
    R"([{"name":"a","hostname":"paris-2"},{"name":"b","hostname":"paris-3"},{"name":"c"}])",
    R"({"quorum_names":["a","c"]})"};
const std::set<HostId> kHosts{HostId("paris-1"), HostId("paris-2"), HostId("paris-3"), HostId("lyon-1")};

}  // namespace

TEST_CASE("hosts of ours that carry OSDs or monitors, and what of it is down") {
  const auto servers = servers_in(kInventory, kHosts);
  REQUIRE(servers);
  REQUIRE(servers->size() == 3);
  CHECK((*servers)[0] == wire::StorageServer{HostId("paris-1"), {"osd.0", "osd.2"}, {"osd.2"}, ""});
  CHECK((*servers)[1] == wire::StorageServer{HostId("paris-2"), {"osd.1", "mon.a"}, {}, ""});
  CHECK((*servers)[2] == wire::StorageServer{HostId("paris-3"), {"mon.b"}, {"mon.b"}, ""});
}

TEST_CASE("a cluster of other machines") {
  const auto servers = servers_in(kInventory, {HostId("lyon-1")});
  REQUIRE(servers);
  CHECK(servers->empty());
}

TEST_CASE("answers that can't be read are errors") {
  for (const char* tree : {"", "[]", "{}", R"({"nodes":3})", R"({"nodes":[{"type":"osd","id":"x"}]})",
                           R"({"nodes":[{"type":"host","name":"paris-1"}]})"}) {
    CephInventory wrong = kInventory;
    wrong.osd_tree = tree;
    CHECK_FALSE(servers_in(wrong, kHosts));
  }
  for (const char* monitors : {"{", "3", R"([{"hostname":"paris-2"}])", R"([3])"}) {
    CephInventory wrong = kInventory;
    wrong.mon_metadata = monitors;
    CHECK_FALSE(servers_in(wrong, kHosts));
  }
  CephInventory wrong = kInventory;
  wrong.quorum_status = "{}";
  CHECK_FALSE(servers_in(wrong, kHosts));
}
