#include "hostd/tombstones.h"

#include <doctest/doctest.h>

#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {
namespace {

const VmId kVm("2f0a3c1e-8c55-4d0c-9d4e-0a1b2c3d4e5f");
const BootId kBootOfTombstones("boot-1");

struct Fixture {
  test::TemporaryFolder folder;
  std::string path = folder.path() + "/tombstones.json";
  std::unique_ptr<Tombstones> open(const BootId& boot = kBootOfTombstones) {
    Result<std::unique_ptr<Tombstones>> opened = Tombstones::open(path, boot);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    return std::move(*opened);
  }
};

Authority authority(std::uint64_t epoch, std::uint64_t term, const std::string& manager,
                    const std::string& epoch_id = "e") {
  return {{epoch_id, EpochNumber(epoch)}, Term(term), ManagerId(manager)};
}

TEST_CASE_FIXTURE(Fixture, "tombstones survive a restart") {
  REQUIRE(open()->forbid(kVm, Generation(5)).has_value());
  const auto tombstones = open();
  CHECK(tombstones->record(kVm).forbidden == Generation(5));
  CHECK(tombstones->hold(kVm, Generation(5)).error().code == ErrorCode::conflict);
  CHECK(tombstones->hold(kVm, Generation(6)).has_value());
}

TEST_CASE_FIXTURE(Fixture, "a forbidden generation never gets smaller") {
  const auto tombstones = open();
  REQUIRE(tombstones->forbid(kVm, Generation(5)).has_value());
  REQUIRE(tombstones->forbid(kVm, Generation(3)).has_value());
  CHECK(tombstones->record(kVm).forbidden == Generation(5));
}

TEST_CASE_FIXTURE(Fixture, "what was held is held after a restart of the daemon, but not of the host") {
  REQUIRE(open()->hold(kVm, Generation(2)).has_value());
  CHECK(open()->record(kVm).held == Generation(2));
  CHECK(open(BootId("boot-2"))->record(kVm).held == Generation());
}

TEST_CASE_FIXTURE(Fixture, "an older generation than the held one is refused; forbidding drops the hold") {
  const auto tombstones = open();
  REQUIRE(tombstones->hold(kVm, Generation(4)).has_value());
  CHECK(tombstones->hold(kVm, Generation(3)).error().code == ErrorCode::conflict);
  REQUIRE(tombstones->forbid(kVm, Generation(3)).has_value());
  CHECK(tombstones->record(kVm).held == Generation(4));
  REQUIRE(tombstones->forbid(kVm, Generation(4)).has_value());
  CHECK(tombstones->record(kVm).held == Generation());
  CHECK(tombstones->hold(kVm, Generation(0)).error().code == ErrorCode::invalid);
}

TEST_CASE_FIXTURE(Fixture, "authority only moves forward, and one term has one manager") {
  const auto tombstones = open();
  REQUIRE(tombstones->obey(authority(2, 7, "a")).has_value());
  CHECK(tombstones->obey(authority(2, 7, "a")).has_value());
  CHECK(tombstones->obey(authority(2, 7, "b")).error().code == ErrorCode::conflict);
  CHECK(tombstones->obey(authority(2, 6, "a")).error().code == ErrorCode::conflict);
  CHECK(tombstones->obey(authority(1, 9, "a")).error().code == ErrorCode::conflict);
  CHECK(tombstones->obey(authority(2, 8, "a", "copy")).error().code == ErrorCode::conflict);
  CHECK(tombstones->obey(authority(2, 8, "b")).has_value());
  CHECK(tombstones->obey(authority(3, 1, "c", "new")).has_value());
  CHECK(open()->authority() == authority(3, 1, "c", "new"));
}

TEST_CASE_FIXTURE(Fixture, "a damaged file stops the daemon with a word on what to do") {
  REQUIRE(open()->forbid(kVm, Generation(5)).has_value());
  const std::string sound = test::read_file(path);
  std::string changed = sound;
  changed[changed.find("\"forbidden\":5") + 12] = '4';
  for (const std::string& damaged :
       {changed, sound.substr(0, sound.size() / 2), std::string(), std::string("x\n{}")}) {
    test::write_file(path, damaged);
    const auto opened = Tombstones::open(path, kBootOfTombstones);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().code == ErrorCode::corrupt);
    CHECK(opened.error().message.find(path) != std::string::npos);
  }
}

TEST_CASE("what can't be written changes nothing") {
  test::TemporaryFolder folder;
  const std::string inner = folder.path() + "/state";
  std::filesystem::create_directory(inner);
  auto opened = Tombstones::open(inner + "/tombstones.json", kBootOfTombstones);
  REQUIRE(opened.has_value());
  std::filesystem::remove_all(inner);
  CHECK_FALSE((*opened)->forbid(kVm, Generation(5)).has_value());
  CHECK((*opened)->record(kVm).forbidden == Generation());
}

}  // namespace
}  // namespace bascule::hostd
