// Configuration files of all programs.
#include <doctest/doctest.h>

#include "api/manager_config.h"
#include "hostd/config.h"
#include "hostd/guard/settings.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace bascule {
namespace {

const std::vector<std::string> kTomlWords = {"[",
                                             "]",
                                             "[[",
                                             "]]",
                                             "=",
                                             "\"",
                                             "'''",
                                             "\"\"\"",
                                             "#",
                                             "\n",
                                             "{",
                                             "}",
                                             ".",
                                             "\\",
                                             "true",
                                             "nan",
                                             "+inf",
                                             "0x",
                                             "1_0",
                                             "\r",
                                             "\\u00e9",
                                             "1979-05-27",
                                             "\t",
                                             "[[host]]\n",
                                             "\0",
                                             "\xff",
                                             "[policy]\n",
                                             "heartbeat_ms = ",
                                             "profile = \"fast\"\n",
                                             "[host.bmc]\n",
                                             "options = {plug = 3}\n"};

std::string example(const std::string& name) {
  return test::read_file(std::string(BASCULE_SOURCE_DIR) + "/packaging/config/" + name + ".toml");
}

// Refusals name the file in each line.
template <class T>
void accepted_or_refused(const Result<T>& loaded, const std::string& path) {
  if (loaded) return;
  std::string_view rest = loaded.error().message;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (!rest.starts_with(path)) FAIL_CHECK("a line without the file's name: ", loaded.error().message);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

TEST_CASE("TOML of all daemons, damaged") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/bascule.toml";
  const std::vector<std::string> good = {example("manager"), example("hostd"), example("guard")};
  for (const std::string& text : good) REQUIRE_FALSE(text.empty());
  fuzz::run({good, kTomlWords}, 2500, [&](const std::string& text) {
    test::write_file(path, text);
    accepted_or_refused(api::load_manager_config(path), path);
    accepted_or_refused(hostd::load_host_config(path), path);
    accepted_or_refused(guard::load_settings(path), path);
  });
}

}  // namespace
}  // namespace bascule
