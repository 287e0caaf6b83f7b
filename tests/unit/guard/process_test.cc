// The real program, alone in a PID namespace: guard_process.py says what must happen.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

TEST_CASE("the program kills its guests, and only them, at the deadline, after a freeze and after a crash") {
  REQUIRE_MESSAGE(::geteuid() == 0, "a PID namespace needs root");
  const std::filesystem::path guard =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bascule-guard";
  const std::string command =
      "unshare --pid --fork --kill-child --mount --mount-proc /usr/bin/python3 " BASCULE_SOURCE_DIR
      "/tests/unit/guard/guard_process.py " +
      guard.string();
  CHECK(std::system(command.c_str()) == 0);
}
