#include "hostd/qemu_img.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {
namespace {

void make(const std::string& arguments) {
  REQUIRE(std::system(("qemu-img create -q " + arguments).c_str()) == 0);
}

TEST_CASE("an image file's format and size are found") {
  test::TemporaryFolder folder;
  make("-f raw " + folder.path("disk.raw") + " 3M");
  make("-f qcow2 " + folder.path("disk.qcow2") + " 5M");
  const auto raw = inspect_image(folder.path("disk.raw"));
  REQUIRE_MESSAGE(raw, raw.error().message);
  CHECK(raw->format == "raw");
  CHECK(raw->bytes == 3 << 20);
  const auto qcow2 = inspect_image(folder.path("disk.qcow2"));
  REQUIRE_MESSAGE(qcow2, qcow2.error().message);
  CHECK(qcow2->format == "qcow2");
  CHECK(qcow2->bytes == 5 << 20);
}

// Read by a daemon of ours, each could show its maker a file of this host.
TEST_CASE("an image file that refers to another is refused") {
  test::TemporaryFolder folder;
  const std::string secret = folder.path("secret");
  test::write_file(secret, std::string(1 << 20, 's'));
  make("-f qcow2 -F raw -b " + secret + " " + folder.path("backing.qcow2"));
  make("-f qcow2 -o data_file=" + secret + ",data_file_raw=on " + folder.path("data.qcow2") + " 1M");
  for (const char* name : {"backing.qcow2", "data.qcow2"}) {
    const auto found = inspect_image(folder.path(name));
    REQUIRE_FALSE(found);
    CHECK_MESSAGE(found.error().message.find("refers to another file") != std::string::npos,
                  found.error().message);
  }
}

TEST_CASE("what is no image file, or of a format that isn't known, is refused") {
  test::TemporaryFolder folder;
  make("-f vmdk " + folder.path("disk.vmdk") + " 1M");
  test::write_file(folder.path("empty"), "");
  test::write_file(folder.path("broken.qcow2"), std::string("QFI\xfb") + std::string(100, '\xff'));
  for (const std::string& path :
       {folder.path("disk.vmdk"), folder.path("empty"), folder.path("broken.qcow2"), folder.path("missing"),
        folder.path(), std::string("json:{}"), std::string()})
    CHECK_MESSAGE(inspect_image(path).error().code == ErrorCode::invalid, path);
}

}  // namespace
}  // namespace bascule::hostd
