// A tenant's image as a host takes it: what it must be, and where it is kept. The stream itself:
// tests/lab/own_test.py.
#include "hostd/images.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "hostd/storage_dir.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {
namespace {

TEST_CASE("an image is what it was announced as, and refers to no other file") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path("image");
  const auto make = [&](const std::string& options) {
    REQUIRE(std::system(("cd " + folder.path() + " && qemu-img create -q " + options).c_str()) == 0);
  };
  make("-f qcow2 image 5M");
  CHECK(check_image(path, wire::ImageKind::disk) == std::uint64_t{5});
  CHECK_FALSE(check_image(path, wire::ImageKind::iso));
  make("-f raw image 1500K");
  CHECK(check_image(path, wire::ImageKind::disk) == std::uint64_t{2});
  make("-f raw base 1M");
  make("-f qcow2 -b base -F raw image");
  CHECK_FALSE(check_image(path, wire::ImageKind::disk));
  make("-f vmdk image 5M");
  CHECK_FALSE(check_image(path, wire::ImageKind::disk));
  test::write_file(path, std::string(16 * 2048, '\0') + "\1CD001" + std::string(2048, '\0'));
  CHECK(check_image(path, wire::ImageKind::iso) == std::uint64_t{1});
  CHECK_FALSE(check_image(folder.path("none"), wire::ImageKind::iso));
}

TEST_CASE("a directory keeps images among its templates, whole or not at all") {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder.path("pool"));
  const auto pool = make_dir_pool("metro", folder.path("pool"));
  test::write_file(folder.path("sent"), "content");
  const Taking taking{VmId("v"), Generation(1), Generation(0)};
  CHECK(pool->open_image("image-1", taking).error().code == ErrorCode::not_found);
  REQUIRE(pool->keep_image("image-1", folder.path("sent")));
  const auto opened = pool->open_image("image-1", taking);
  REQUIRE(opened);
  CHECK(test::read_file(std::get<FileSource>(*opened).path) == "content");
  CHECK_FALSE(pool->keep_image("../evil", folder.path("sent")));
  CHECK_FALSE(pool->keep_image("image-2", folder.path("none")));
  CHECK(pool->open_image("image-2", taking).error().code == ErrorCode::not_found);
  CHECK_FALSE(pool->drop_image("../image-1"));
  CHECK(pool->drop_image("image-1"));
  CHECK(pool->drop_image("image-1"));
  CHECK(pool->open_image("image-1", taking).error().code == ErrorCode::not_found);
}

}  // namespace
}  // namespace bascule::hostd
