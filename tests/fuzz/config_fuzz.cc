// Configuration files of all programs.
#include <doctest/doctest.h>

#include <set>

#include "api/manager_config.h"
#include "hostd/config.h"
#include "hostd/guard/settings.h"
#include "portal/server/config.h"
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

// The example of ARCHITECTURE.md that follows "`manager.toml`:" and the like.
std::string documented(const std::string& name) {
  const std::string text = test::read_file(std::string(BASCULE_SOURCE_DIR) + "/ARCHITECTURE.md");
  const std::string head = "`" + name + ".toml`:\n```toml\n";
  const std::size_t begin = text.find(head);
  REQUIRE(begin != std::string::npos);
  const std::size_t from = begin + head.size();
  return text.substr(from, text.find("```", from) - from);
}

// Every key of the code stands there, too: as many as fields() visits.
struct Keys {
  std::set<std::string> names;
  template <class T>
  void operator()(std::string_view name, T&) {
    names.insert(std::string(name));
  }
  template <class T>
  void optional(std::string_view name, T& member) {
    (*this)(name, member);
  }
};

TEST_CASE("the documented configuration is accepted and complete") {
  const test::TemporaryFolder folder;
  for (const std::string name : {"manager", "hostd", "guard", "portal"})
    test::write_file(folder.path() + "/" + name, documented(name));
  const auto manager = api::load_manager_config(folder.path() + "/manager");
  CHECK_MESSAGE(manager, manager.error().message);
  const auto hostd = hostd::load_host_config(folder.path() + "/hostd");
  CHECK_MESSAGE(hostd, hostd.error().message);
  const auto guard = guard::load_settings(folder.path() + "/guard");
  CHECK_MESSAGE(guard, guard.error().message);
  const auto portal = portal::load_portal_config(folder.path() + "/portal");
  CHECK_MESSAGE(portal, portal.error().message);

  Keys keys;
  api::ManagerConfig config;
  fields(keys, config);
  fields(keys, config.listen);
  fields(keys, config.policy);
  BmcConfig bmc;
  fields(keys, bmc);
  MailRoute mail;
  fields(keys, mail);
  SmsRoute sms;
  fields(keys, sms);
  const std::string text = documented("manager");
  for (const std::string& key : keys.names)
    CHECK_MESSAGE(text.find(key) != std::string::npos, key << " is missing in ARCHITECTURE.md");
}

TEST_CASE("TOML of all daemons, damaged") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/bascule.toml";
  const std::vector<std::string> good = {example("manager"), example("hostd"), example("guard"),
                                         example("portal")};
  for (const std::string& text : good) REQUIRE_FALSE(text.empty());
  fuzz::run({good, kTomlWords}, 2500, [&](const std::string& text) {
    test::write_file(path, text);
    accepted_or_refused(api::load_manager_config(path), path);
    accepted_or_refused(hostd::load_host_config(path), path);
    accepted_or_refused(guard::load_settings(path), path);
    accepted_or_refused(portal::load_portal_config(path), path);
  });
}

}  // namespace
}  // namespace bascule
