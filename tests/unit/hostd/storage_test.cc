#include <doctest/doctest.h>

#include "hostd/bounded_call.h"
#include "hostd/storage_dir.h"
#include "hostd/storage_nbd.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {
namespace {

TEST_CASE("a directory pool makes, finds and removes volumes") {
  test::TemporaryFolder folder;
  const auto pool = make_dir_pool("metro", folder.path());
  CHECK_FALSE(*pool->exists("a"));
  REQUIRE(pool->create({{"metro", "a", 8, DiskFormat::raw}, {}, false}).has_value());
  CHECK(*pool->exists("a"));
  CHECK(std::filesystem::file_size(folder.path() + "/a") == 8 * 1024 * 1024);
  CHECK(pool->create({{"metro", "a", 8, DiskFormat::raw}, {}, false}).error().code == ErrorCode::conflict);
  CHECK(std::get<FileSource>(pool->open("a", {})->source).path == folder.path() + "/a");
  REQUIRE(pool->remove("a", {}).has_value());
  CHECK(pool->remove("a", {}).has_value());
  CHECK_FALSE(*pool->exists("a"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a qcow2 volume is made by qemu-img") {
  test::TemporaryFolder folder;
  const auto pool = make_dir_pool("metro", folder.path());
  const Status created = pool->create({{"metro", "a", 8, DiskFormat::qcow2}, {}, false});
  REQUIRE_MESSAGE(created.has_value(), created.error().message);
  CHECK(test::read_file(folder.path() + "/a").substr(0, 3) == "QFI");
}

TEST_CASE("no blank volume is made where a template's content was asked for") {
  test::TemporaryFolder folder;
  Disk disk{"metro", "a", 8, DiskFormat::raw, "debian-12"};
  CHECK(make_dir_pool("metro", folder.path())->create({disk, {}, false}).error().code == ErrorCode::invalid);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("no name leads out of the pool") {
  test::TemporaryFolder folder;
  const auto pool = make_dir_pool("metro", folder.path() + "/pool");
  std::filesystem::create_directory(folder.path() + "/pool");
  test::write_file(folder.path() + "/precious", "x");
  for (const char* name : {"../precious", "/etc/passwd", "..", ".", "", "a/b", ".hidden"}) {
    CHECK(pool->open(name, {}).error().code == ErrorCode::invalid);
    CHECK(pool->create({{"metro", name, 1, DiskFormat::raw}, {}, false}).error().code == ErrorCode::invalid);
    CHECK(pool->remove(name, {}).error().code == ErrorCode::invalid);
  }
  std::filesystem::create_symlink("../precious", folder.path() + "/pool/link");
  CHECK(pool->exists("link").error().code == ErrorCode::invalid);
  CHECK(pool->remove("link", {}).error().code == ErrorCode::invalid);
  CHECK(test::read_file(folder.path() + "/precious") == "x");
}

TEST_CASE("a pool that isn't there is not an empty pool") {
  const auto pool = make_dir_pool("metro", "/nonexistent/pool");
  CHECK(pool->ready().error().code == ErrorCode::unavailable);
  CHECK(pool->exists("a").error().code == ErrorCode::unavailable);
  CHECK(pool->create({{"metro", "a", 1, DiskFormat::raw}, {}, false}).error().code == ErrorCode::unavailable);
}

TEST_CASE("a volume that could not be finished leaves nothing") {
  test::TemporaryFolder folder;
  const auto pool = make_dir_pool("metro", folder.path());
  CHECK_FALSE(pool->create({{"metro", "huge", 1ULL << 43, DiskFormat::raw}, {}, false}).has_value());
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("an NBD pool is data only") {
  const auto address = parse_nbd_url("nbd://198.18.0.4:10810/");
  REQUIRE(address.has_value());
  const auto pool = make_nbd_pool("san", *address);
  const NbdSource source = std::get<NbdSource>(pool->open("web-1", {})->source);
  CHECK(source.host == "198.18.0.4");
  CHECK(source.port == 10810);
  CHECK(source.export_name == "web-1");
  CHECK(pool->create({{"san", "web-1", 1, DiskFormat::raw}, {}, false}).error().code == ErrorCode::invalid);
  CHECK(pool->open("../x", {}).error().code == ErrorCode::invalid);
  for (const char* url :
       {"", "nbd://", "http://a:1", "nbd://a:0", "nbd://a:70000", "nbd://a:1x", "nbd://a/b"})
    CHECK_FALSE(parse_nbd_url(url).has_value());
}

}  // namespace
}  // namespace bascule::hostd

TEST_CASE("whoever has a bounded call's answer holds what the call used alone") {
  bascule::hostd::BoundedCalls calls(200);
  for (int i = 0; i < 100; ++i) {
    auto used = std::make_shared<int>(i);
    const auto answer = calls.run<int>(bascule::Duration(std::chrono::seconds(10)), "a call",
                                       [used]() -> bascule::Result<int> { return *used; });
    REQUIRE(answer);
    CHECK(used.use_count() == 1);
  }
}
