#include "api/offer.h"

#include <algorithm>
#include <set>

#include "api/addresses.h"
#include "base/json.h"
#include "failover/images.h"

namespace bascule::api {
namespace {

constexpr std::size_t kMostKeys = 16;
constexpr std::size_t kLongestKey = 4096;
constexpr std::size_t kMostUserData = 16 * 1024;  // it is part of every snapshot of the state

const char* const kNoName = "must be letters, digits, '-', '_' and '.', beginning with a letter or digit";

// ---- The offer ----

void check_network(const NetworkOffer& network, std::vector<std::string>& problems) {
  const auto range = parse_range(network.range);
  if (!is_valid_name(network.bridge) || network.bridge.size() > 15)
    problems.push_back("network.bridge: must be the name of a bridge");
  if (!range) problems.push_back("network.range: must be an IPv4 range such as 198.18.64.0/20, /8 to /30");
  if (range && network.prefix != 0 && (network.prefix < kShortestPrefix || network.prefix > range->prefix))
    problems.push_back("network.prefix: must be at least 8, and no longer than the range's");
  const auto inside = [&](const std::string& text) {
    const auto address = parse_v4(text);
    return address && range && range->contains(*address);
  };
  if (!network.gateway.empty() && !parse_v4(network.gateway))
    problems.push_back("network.gateway: must be an IPv4 address");
  for (const std::string& address : network.dns)
    if (!parse_v4(address)) problems.push_back("network.dns: must be IPv4 addresses");
  for (const std::string& address : network.reserved)
    if (!inside(address)) problems.push_back("network.reserved: must be addresses of the range");
}

void check_image(const ImageOffer& image, const std::string& path, std::vector<std::string>& problems) {
  if (!is_valid_name(image.name)) problems.push_back(path + "name: " + kNoName);
  if (!image.pool.empty() && !is_valid_name(image.pool)) problems.push_back(path + "pool: " + kNoName);
  if (!image.template_name.empty() && !is_valid_name(image.template_name))
    problems.push_back(path + "template: " + kNoName);
  if (image.kernel && (!is_valid_name(image.kernel->pool) || !is_valid_name(image.kernel->kernel)))
    problems.push_back(path + "kernel: pool and kernel " + kNoName);
}

// ---- What is wanted ----

// As in authorized_keys (sshd(8)), without options.
bool is_ssh_key(const std::string& text) {
  static const std::set<std::string> kinds{"ssh-ed25519",
                                           "ssh-rsa",
                                           "ecdsa-sha2-nistp256",
                                           "ecdsa-sha2-nistp384",
                                           "ecdsa-sha2-nistp521",
                                           "sk-ssh-ed25519@openssh.com",
                                           "sk-ecdsa-sha2-nistp256@openssh.com"};
  const std::size_t space = text.find(' ');
  if (space == std::string::npos || !kinds.contains(text.substr(0, space))) return false;
  const std::string key = text.substr(space + 1, text.find(' ', space + 1) - space - 1);
  const bool base64 = !key.empty() && key.find_first_not_of(
                                          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789+/=") == std::string::npos;
  const bool printable = std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20; });
  return base64 && printable && text.size() <= kLongestKey;
}

struct Addressed {
  Nic nic;
  std::string config;  // cloud-init's, version 2
};

std::optional<Addressed> address(const NetworkOffer& network, const VmId& id, const TenantId& tenant,
                                 const State& state, Random& random) {
  const auto range = parse_range(network.range);
  if (!range) return std::nullopt;
  std::set<std::string> reserved(network.reserved.begin(), network.reserved.end());
  reserved.insert(network.gateway);
  const auto found = free_address(*range, reserved, state, random);
  if (!found) return std::nullopt;
  const int prefix = network.prefix == 0 ? range->prefix : network.prefix;
  Addressed made;
  made.nic = {network.bridge, make_mac(id.value, tenant, macs_of(state)), {*found}};
  json::Value card{{"match", {{"macaddress", made.nic.mac}}},
                   {"set-name", "eth0"},
                   {"addresses", json::Value::array({*found + "/" + std::to_string(prefix)})}};
  if (!network.gateway.empty())
    card["routes"] = json::Value::array({{{"to", "0.0.0.0/0"}, {"via", network.gateway}}});
  if (!network.dns.empty()) card["nameservers"] = {{"addresses", network.dns}};
  // JSON is YAML too.
  made.config = json::text_of({{"version", 2}, {"ethernets", {{"eth0", card}}}});
  return made;
}

Seed seed_of(const Wish& wish, const VmId& id, std::string network_config) {
  const json::Value meta{
      {"instance-id", id.value}, {"local-hostname", wish.name}, {"public-keys", wish.ssh_keys}};
  return {json::text_of(meta), wish.user_data, std::move(network_config)};
}

std::optional<SiteId> home_of(const Wish& wish, const State& state) {
  if (wish.home) return state.sites.contains(*wish.home) ? wish.home : std::nullopt;
  const auto primary = std::find_if(state.sites.begin(), state.sites.end(),
                                    [](const auto& site) { return site.second.primary; });
  const auto chosen = primary == state.sites.end() ? state.sites.begin() : primary;
  return chosen == state.sites.end() ? std::nullopt : std::optional(chosen->first);
}

// Of the specification's problems, the names that the wish has for them.
std::string path_in_wish(const std::string& path) {
  if (path == "disks[0].size_mib") return "size_mib";
  return path == "seed" ? "user_data" : path;
}

// The volume begins as an image of the offer, or of the tenant's own.
void begin_as(const Wish& wish, const Offer& offer, const State& state, VmSpec& spec, Disk& disk,
              std::vector<FieldProblem>& problems) {
  const auto offered = std::find_if(offer.image.begin(), offer.image.end(),
                                    [&](const ImageOffer& one) { return one.name == wish.image; });
  const TenantImage* own = image_of(state, spec.tenant, wish.image);
  std::uint64_t least_mib = 0;
  if (offered != offer.image.end()) {
    if (!offered->pool.empty()) disk.pool = offered->pool;
    disk.from = offered->template_name.empty() ? offered->name : offered->template_name;
    spec.kernel = offered->kernel;
    least_mib = offered->least_mib;
  } else if (own && own->kind == wire::ImageKind::disk && own->phase == ImagePhase::ready) {
    disk.pool = own->pool;
    disk.from = wire::template_of(own->id, own->sha256);
    least_mib = own->size_mib;
  } else {
    return problems.push_back({"image", "there is no image of this name: GET /v1/images"});
  }
  if (wish.size_mib < least_mib)
    problems.push_back({"size_mib", "must be at least " + std::to_string(least_mib) + " for this image"});
}

}  // namespace

std::vector<std::string> problems_of(const Offer& offer) {
  std::vector<std::string> problems;
  if (!is_valid_name(offer.pool)) problems.push_back("pool: must be the name of a pool");
  if (offer.network) check_network(*offer.network, problems);
  std::set<std::string> names;
  for (std::size_t i = 0; i < offer.image.size(); ++i) {
    const std::string path = "image[" + std::to_string(i) + "].";
    check_image(offer.image[i], path, problems);
    if (!names.insert(offer.image[i].name).second) problems.push_back(path + "name: stands twice");
  }
  return problems;
}

std::optional<VmSpec> spec_of(const Wish& wish, const VmId& id, const TenantId& tenant, const Offer& offer,
                              const State& state, Random& random, std::vector<FieldProblem>& problems) {
  VmSpec spec;
  spec.id = id;
  spec.tenant = tenant;
  spec.name = tenant.value + "/" + wish.name;
  spec.memory_mib = wish.memory_mib;
  spec.vcpus = wish.vcpus;
  spec.screen = wish.screen;
  spec.protected_ = wish.protected_;
  if (const auto home = home_of(wish, state)) spec.home = *home;
  Disk disk{offer.pool, id.value, wish.size_mib};
  if (!wish.image.empty()) begin_as(wish, offer, state, spec, disk, problems);
  if (!wish.iso.empty()) {
    spec.cdrom = cdrom_of(state, tenant, wish.iso);
    if (!spec.cdrom) problems.push_back({"iso", "you have no CD of this name: GET /v1/images"});
  }
  spec.disks.push_back(std::move(disk));
  std::string network_config;
  if (offer.network) {
    if (auto addressed = address(*offer.network, id, tenant, state, random)) {
      spec.nics.push_back(std::move(addressed->nic));
      network_config = std::move(addressed->config);
    } else {
      problems.push_back({"name", "no address is free on the network: tell your provider"});
    }
  }
  if (wish.ssh_keys.size() > kMostKeys) problems.push_back({"ssh_keys", "at most 16"});
  for (std::size_t i = 0; i < wish.ssh_keys.size(); ++i)
    if (!is_ssh_key(wish.ssh_keys[i]))
      problems.push_back({"ssh_keys[" + std::to_string(i) + "]",
                          "must be a public key as in authorized_keys, such as \"ssh-ed25519 AAAA… anna\""});
  spec.seed = seed_of(wish, id, std::move(network_config));
  if (wish.user_data.size() > kMostUserData) problems.push_back({"user_data", "must be at most 16 KiB"});
  if (spec.home.empty()) problems.push_back({"home", "is not the name of a site"});
  for (const std::string& text : problems_of(spec)) {
    const std::size_t colon = text.find(": ");
    const std::string path = path_in_wish(text.substr(0, colon));
    if (path != "home") problems.push_back({path, text.substr(colon + 2)});
  }
  if (!problems.empty()) return std::nullopt;
  return spec;
}

}  // namespace bascule::api
