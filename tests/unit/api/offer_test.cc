// From what a tenant's user wants to a specification; and the addresses of guests.
#include "api/offer.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "api/addresses.h"
#include "base/json.h"
#include "tests/unit/api/example_state.h"

using namespace bascule;
using namespace bascule::api;

namespace {

const VmId kMachine("12345678-1234-4234-8234-1234567890ab");
const char* const kKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 anna@desk";

Offer example_offer() {
  Offer offer;
  offer.pool = "gold";
  offer.network = NetworkOffer{"br0", "198.18.64.0/29", 16, "198.18.0.1", {"198.18.0.53"}, {"198.18.64.1"}};
  offer.image.push_back({"debian-12", "Debian", "", "debian-12-7", 2048, std::nullopt});
  return offer;
}

Wish example_wish() {
  Wish wish;
  wish.name = "shop-1";
  wish.memory_mib = 512;
  wish.size_mib = 4096;
  wish.image = "debian-12";
  wish.ssh_keys = {kKey};
  return wish;
}

struct Made {
  std::optional<VmSpec> spec;
  std::vector<FieldProblem> problems;

  std::string paths() const {
    std::string all;
    for (const FieldProblem& problem : problems) all += (all.empty() ? "" : " ") + problem.path;
    return all;
  }
};

Made make(const Wish& wish, const Offer& offer = example_offer(), State state = example_snapshot().state) {
  SystemRandom random;
  Made made;
  made.spec = spec_of(wish, kMachine, TenantId("acme"), offer, state, random, made.problems);
  return made;
}

}  // namespace

TEST_CASE("a machine is made of what is offered") {
  const Made made = make(example_wish());
  REQUIRE_MESSAGE(made.spec, made.paths());
  const VmSpec& spec = *made.spec;
  CHECK(problems_of(spec).empty());
  CHECK(spec.name == "acme/shop-1");
  CHECK(spec.tenant == TenantId("acme"));
  REQUIRE(spec.disks.size() == 1);
  CHECK(spec.disks[0].pool == "gold");
  CHECK(spec.disks[0].volume == kMachine.value);
  CHECK(spec.disks[0].from == "debian-12-7");
  REQUIRE(spec.nics.size() == 1);
  const std::string address = spec.nics[0].addresses.at(0);
  CHECK(address.starts_with("198.18.64."));
  REQUIRE(spec.seed);
  const auto meta = json::parse(spec.seed->meta_data);
  const auto network = json::parse(spec.seed->network_config);
  REQUIRE((meta && network));
  CHECK((*meta)["instance-id"] == kMachine.value);
  CHECK((*meta)["local-hostname"] == "shop-1");
  CHECK((*meta)["public-keys"][0] == kKey);
  const json::Value& card = (*network)["ethernets"]["eth0"];
  CHECK(card["addresses"][0] == address + "/16");
  CHECK(card["match"]["macaddress"] == spec.nics[0].mac);
  CHECK(card["routes"][0]["via"] == "198.18.0.1");
}

TEST_CASE("whoever says no home is at the primary site") {
  State state = example_snapshot().state;
  state.sites[SiteId("paris")].primary = true;
  CHECK(make(example_wish(), example_offer(), state).spec->home == SiteId("paris"));
  Wish wish = example_wish();
  wish.home = SiteId("lyon");
  CHECK(make(wish).spec->home == SiteId("lyon"));
  wish.home = SiteId("nice");
  CHECK(make(wish).paths() == "home");
}

TEST_CASE("all that is wrong is told, by the names that the request has for it") {
  Wish wish = example_wish();
  wish.name = "no/slash";
  wish.memory_mib = 1;
  wish.vcpus = 0;
  wish.size_mib = 1024;
  wish.ssh_keys = {"ssh-dss AAAA", kKey, "ssh-ed25519 AAAA\nssh-rsa BBBB"};
  CHECK(make(wish).paths() == "size_mib ssh_keys[0] ssh_keys[2] name memory_mib vcpus");
  wish = example_wish();
  wish.image = "plan-9";
  wish.user_data = std::string(20'000, '#');
  CHECK(make(wish).paths() == "image user_data");
}

TEST_CASE("an address is given once, and none that is kept for others") {
  State state = example_snapshot().state;
  std::set<std::string> given;
  for (int i = 0; i < 5; ++i) {  // of six, one is kept
    const Made made = make(example_wish(), example_offer(), state);
    REQUIRE(made.spec);
    Vm vm;
    vm.record.spec = *made.spec;
    vm.record.spec.id = VmId("00000000-0000-4000-8000-00000000000" + std::to_string(i));
    CHECK(given.insert(vm.record.spec.nics[0].addresses[0]).second);
    state.vms[vm.record.spec.id] = vm;
  }
  CHECK_FALSE(given.contains("198.18.64.1"));
  CHECK_FALSE(given.contains("198.18.64.0"));
  CHECK_FALSE(given.contains("198.18.64.7"));
  CHECK(make(example_wish(), example_offer(), state).paths() == "name");
}

TEST_CASE("ranges") {
  CHECK(parse_range("198.18.64.0/20")->contains(*parse_v4("198.18.79.255")));
  CHECK_FALSE(parse_range("198.18.64.0/20")->contains(*parse_v4("198.18.80.0")));
  for (const char* text : {"198.18.64.0", "198.18.64.1/20", "198.18.64.0/31", "198.18.64.0/7",
                           "198.18.64.0/20x", "198.18.64/20", "::/64", "198.18.64.0/"})
    CHECK_FALSE(parse_range(text));
}

TEST_CASE("an offer that can't be kept is refused, with its lines") {
  Offer offer = example_offer();
  CHECK(problems_of(offer).empty());
  offer.pool = "";
  offer.network->range = "198.18.64.1/20";
  offer.network->gateway = "nowhere";
  offer.network->reserved = {"10.0.0.1"};
  offer.image.push_back(offer.image[0]);
  offer.image[0].template_name = "../etc";
  CHECK(problems_of(offer).size() == 6);
}
