#include <doctest/doctest.h>

#include "hostd/bounded_call.h"
#include "hostd/qemu_img.h"
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

TEST_CASE("a volume begins with its template's content, in its own format and size") {
  test::TemporaryFolder folder;
  const auto pool = make_dir_pool("metro", folder.path());
  std::filesystem::create_directory(folder.path("templates"));
  test::write_file(folder.path("templates/debian"), "content" + std::string((1 << 20) - 7, '\0'));
  const auto make = [&](const char* name, std::uint64_t mib, DiskFormat format, const char* from) {
    return pool->create({{"metro", name, mib, format, from}, {}, false});
  };
  const Status raw = make("raw", 3, DiskFormat::raw, "debian");
  REQUIRE_MESSAGE(raw, raw.error().message);
  CHECK(test::read_file(folder.path("raw")).starts_with("content"));
  CHECK(std::filesystem::file_size(folder.path("raw")) == 3 << 20);
  REQUIRE(make("qcow2", 3, DiskFormat::qcow2, "debian"));
  CHECK(inspect_image(folder.path("qcow2"))->bytes == 3 << 20);
  std::filesystem::resize_file(folder.path("templates/debian"), 2 << 20);
  CHECK(make("small", 1, DiskFormat::raw, "debian").error().code == ErrorCode::invalid);
  CHECK(make("out", 3, DiskFormat::raw, "../raw").error().code == ErrorCode::invalid);
  CHECK_FALSE(pool->exists("templates"));
  CHECK_FALSE(std::filesystem::exists(folder.path("small")));
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
