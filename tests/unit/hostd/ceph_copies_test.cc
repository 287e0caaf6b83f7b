#include "hostd/ceph_copies.h"

#include <doctest/doctest.h>

using namespace bascule;
using namespace bascule::hostd;

namespace {

constexpr const char* kTwo = R"({"pool":"vms","pool_id":2,"size":2})";
constexpr const char* kTree = R"({"nodes":[
  {"id":-1,"name":"default","type":"root","children":[-5]},
  {"id":-5,"name":"paris-1","type":"host","children":[0,2]},
  {"id":0,"name":"osd.0","type":"osd","status":"up"},
  {"id":2,"name":"osd.2","type":"osd","status":"down"}],"stray":[]})";

}  // namespace

TEST_CASE("copies that the pool keeps, and the OSDs for them") {
  const auto copies = copies_in(kTwo, kTree);
  REQUIRE(copies);
  CHECK(copies->copies == 2);
  CHECK(copies->osds == 2);
  CHECK(copies->osds_down == std::vector<std::string>{"osd.2"});
  CHECK(too_few(*copies, 0).empty());
  CHECK(too_few(*copies, 1).empty());
  CHECK(too_few(*copies, 2) == "has 1 OSDs up for 2 promised copies; down: osd.2");
  CHECK(too_few(*copies, 3) == "keeps 2 of 3 promised copies: see `ceph osd pool set … size`");
}

TEST_CASE("what is no answer of Ceph's is an error") {
  CHECK(!copies_in("", kTree));
  CHECK(!copies_in(kTwo, "{}"));
  CHECK(!copies_in(R"({"size":"two"})", kTree));
}
