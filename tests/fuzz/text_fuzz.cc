// Small languages: what BMCs answer, paths of requests, texts of SMS.
#include <doctest/doctest.h>

#include <algorithm>

#include "api/router.h"
#include "cluster/fence_agents_answers.h"
#include "cluster/gsm7.h"
#include "tests/fuzz/fuzz.h"

namespace bascule {
namespace {

TEST_CASE("ipmitool's answers, damaged") {
  const fuzz::Corpus corpus{
      {" 8f 4c 17 a2 4d 3e 11 e9 9a 6b 0c c4 7a 1b 2c 3d\n", "Chassis Power is on\n",
       "Chassis Power is off\n", "Error: Unable to establish IPMI v2 / RMCP+ session\n"},
      {" ", "\n", "0", "ff", "on", "off", "Chassis Power is ", "g", "\xff"}};
  fuzz::run(corpus, 8000, [](const std::string& text) {
    if (const Result<std::string> guid = guid_in(text, "BMC x")) {
      const bool hex = std::all_of(guid->begin(), guid->end(),
                                   [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
      if (guid->size() != 32 || !hex) FAIL_CHECK("no GUID: ", *guid);
    }
    // Never a state that the text doesn't say, nor one of two.
    if (const Result<PowerState> power = power_in(text, "BMC x")) {
      const char* other = *power == PowerState::off ? "Chassis Power is on" : "Chassis Power is off";
      if (text.find("Chassis Power is o") == std::string::npos || text.find(other) != std::string::npos)
        FAIL_CHECK("made up: ", text);
    }
  });
}

TEST_CASE("targets of requests, damaged") {
  const fuzz::Corpus corpus{{"/v1/vms?limit=5&after=abc", "/v1/hosts/paris-1/power", "/v1/audit?after=%32"},
                            {"%", "%00", "%0a", "%2f", "/", "..", "?", "&", "=", "+", "%zz", "\xff", "#"}};
  const std::vector<api::Route> routes = {{"GET", "/v1/vms", Permission::see_fleet},
                                          {"GET", "/v1/hosts/{host}/power", Permission::operate_hosts},
                                          {"POST", "/v1/hosts/{host}/power", Permission::operate_hosts}};
  fuzz::run(corpus, 8000, [&](const std::string& text) {
    const Result<api::Target> target = api::parse_target(text);
    if (!target) return;
    const auto found = api::match(routes, "GET", target->path);
    const auto* match = std::get_if<api::Match>(&found);
    if (match == nullptr) return;
    for (const auto& [name, value] : match->parameters)
      for (const char c : value)
        if (static_cast<unsigned char>(c) < 0x20) FAIL_CHECK("a control character got through: ", text);
  });
}

TEST_CASE("texts of SMS, damaged") {
  const fuzz::Corpus corpus{
      {"BASCULE demo: hôte paris-1 perdu; 3 VM basculées à lyon", "[{€}] ~^\\|", "日本語 ✓"},
      {"€", "ê", "[", "\n", " ", "\xc3", "\xf0\x9f\x98\x80", "…", "\t", "\x1b", "aaaaaaaaaaaaaaaa"}};
  fuzz::run(corpus, 8000, [](const std::string& text) {
    const std::string fitted = gsm7::fit(text);
    if (gsm7::septets(fitted) > gsm7::kOneMessage) FAIL_CHECK("longer than one SMS: ", fitted);
    if (gsm7::transliterate(fitted) != fitted) FAIL_CHECK("not in the alphabet: ", fitted);
  });
}

}  // namespace
}  // namespace bascule
