#include "hostd/seed_disk.h"

#include <doctest/doctest.h>

#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {
namespace {

const VmId kGuest("2f0a3c1e-8c55-4d0c-9d4e-0a1b2c3d4e5f");

TEST_CASE("a guest's settings are on a disk that is gone with its object") {
  test::TemporaryFolder folder;
  const std::string seeds = folder.path("seeds");
  REQUIRE(prepare_seed_folder(seeds));
  {
    auto disk = SeedDisk::make(seeds, kGuest, {R"({"instance-id": "x"})", "#cloud-config\n", ""});
    REQUIRE_MESSAGE(disk, disk.error().message);
    const std::string image = test::read_file(disk->path());
    CHECK(image.substr(0x8028, 6) == "cidata");  // ECMA-119, 8.4.7: the volume's name
    CHECK(image.find("#cloud-config") != std::string::npos);
    CHECK(image.find("instance-id") != std::string::npos);
    CHECK(std::filesystem::status(disk->path()).permissions() == std::filesystem::perms(0600));
    const SeedDisk moved(std::move(*disk));
    CHECK(std::filesystem::exists(moved.path()));
  }
  CHECK(std::filesystem::is_empty(seeds));
}

TEST_CASE("what an earlier life left is removed") {
  test::TemporaryFolder folder;
  const std::string seeds = folder.path("seeds");
  REQUIRE(prepare_seed_folder(seeds));
  test::write_file(seeds + "/left.iso", "settings");
  REQUIRE(prepare_seed_folder(seeds));
  CHECK(std::filesystem::is_empty(seeds));
}

}  // namespace
}  // namespace bascule::hostd
