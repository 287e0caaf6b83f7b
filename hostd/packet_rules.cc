#include "hostd/packet_rules.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <vector>

#include "base/json.h"
#include "base/tenant_network.h"
#include "hostd/domain_xml.h"

namespace bascule::hostd {
namespace {

constexpr const char* kTable = "bridge bascule";
constexpr std::uint32_t kMark = 0xb5000000;  // and the tag: of packets of tenants' guests of this host
constexpr std::uint32_t kMarkMask = 0xff000000;

// Two base chains look up the interface; what a guest sends goes through the one, what reaches it through the
// other. Flooded packets are looked at once for each guest that they would reach.
constexpr const char* kBase =
    "add table bridge bascule\n"
    "add map bridge bascule from {{ type ifname : verdict ; }}\n"
    "add map bridge bascule to {{ type ifname : verdict ; }}\n"
    "add chain bridge bascule prerouting {{ type filter hook prerouting priority -200 ; }}\n"
    "add chain bridge bascule postrouting {{ type filter hook postrouting priority 100 ; }}\n"
    "flush chain bridge bascule prerouting\n"
    "flush chain bridge bascule postrouting\n"
    "add rule bridge bascule prerouting iifname vmap @from\n"
    "add rule bridge bascule postrouting oifname vmap @to\n";
constexpr int kBaseRules = 2;

struct Addresses {
  std::vector<std::string> v4;
  std::vector<std::string> v6;
  bool known() const { return !v4.empty() || !v6.empty(); }
};

// RFC 4291, appendix A: the address that a guest forms of its MAC by itself.
std::string link_local_of(const std::string& mac) {
  std::array<unsigned, 6> m{};
  std::sscanf(mac.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]);
  return fmt::format("fe80::{:x}:{:x}:{:x}:{:x}", (m[0] ^ 2) << 8 | m[1], m[2] << 8 | 0xff, 0xfe00 | m[3],
                     m[4] << 8 | m[5]);
}

Addresses addresses_of(const Nic& nic, const std::string& mac) {
  Addresses found;
  for (const std::string& address : nic.addresses)
    (address.find(':') == std::string::npos ? found.v4 : found.v6).push_back(address);
  if (!found.v6.empty()) found.v6.push_back(link_local_of(mac));
  return found;
}

std::string set_of(std::vector<std::string> addresses, const char* unspecified) {
  addresses.emplace_back(unspecified);  // of who has none yet
  std::string text;
  for (const std::string& address : addresses) text += (text.empty() ? "{ " : ", ") + address;
  return text + " }";
}

std::string hex_of_v6(const std::string& address) {
  std::array<unsigned char, 16> bytes{};
  inet_pton(AF_INET6, address.c_str(), bytes.data());
  std::string text = "0x";
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

class Chain {
 public:
  Chain(std::string& script, std::string name) : script_(script), name_(std::move(name)) {
    script_ += fmt::format("add chain {0} {1}\nflush chain {0} {1}\n", kTable, name_);
  }
  template <class... Values>
  void add(fmt::format_string<Values...> rule, Values&&... values) {
    script_ += fmt::format("add rule {} {} ", kTable, name_) +
               fmt::format(rule, std::forward<Values>(values)...) + "\n";
  }

 private:
  std::string& script_;
  const std::string name_;
};

// Only addresses of its own, also where it says whose they are (ARP; RFC 4861, 4.4).
void check_addresses(Chain& from, const Addresses& own) {
  from.add("ether type arp arp saddr ip != {} drop", set_of(own.v4, "0.0.0.0"));
  from.add("ether type ip ip saddr != {} drop", set_of(own.v4, "0.0.0.0"));
  if (own.v6.empty()) return from.add("ether type ip6 drop");
  from.add("ether type ip6 ip6 saddr != {} drop", set_of(own.v6, "::"));
  for (const std::string& address : own.v6)
    from.add("icmpv6 type nd-neighbor-advert @th,64,128 {} accept", hex_of_v6(address));
  from.add("icmpv6 type nd-neighbor-advert drop");
}

void add_sending(std::string& script, const std::string& tap, const std::string& mac, const Addresses& own,
                 std::uint32_t tag) {
  Chain from(script, "from_" + tap);
  from.add("ether saddr != {} drop", mac);
  from.add("meta mark set {:#x}", tag == 0 ? 0 : kMark | tag);
  if (tag != 0) {
    from.add("ether type != {{ ip, ip6, arp }} drop");
    from.add("ether type ip udp sport 67 drop");
    from.add("ether type ip udp dport 68 drop");
    from.add("ether type ip6 udp sport 547 drop");
    from.add("ether type ip6 udp dport 546 drop");
    from.add("icmpv6 type {{ nd-router-advert, nd-redirect }} drop");
  }
  from.add("ether type arp arp saddr ether != {} drop", mac);
  if (own.known()) check_addresses(from, own);
}

// A bridge that doesn't know where somebody is sends what is for them to everybody.
void add_hearing(std::string& script, const std::string& tap, const std::string& mac, const TenantId& tenant,
                 std::uint32_t tag) {
  Chain to(script, "to_" + tap);
  if (tag == 0) return;
  to.add("ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 ether daddr != {} drop", mac);
  to.add("meta mark {:#x} accept", kMark | tag);
  to.add("meta mark & {:#x} == {:#x} drop", kMarkMask, kMark);
  to.add("ether saddr & ff:ff:00:00:00:00 == {}00:00:00:00 ether saddr & ff:ff:ff:ff:f0:00 != {}0:00 drop",
         kTenantMac, mac_prefix_of(tenant));
}

int count_of(const std::string& script, std::string_view begin) {
  int count = 0;
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);) count += line.starts_with(begin) ? 1 : 0;
  return count;
}

}  // namespace

std::string packet_rules(const VmSpec& spec) {
  std::string script;
  const std::uint32_t tag = tag_of(spec.tenant);
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    const std::string tap = tap_name(spec.id, i);
    const std::string mac = mac_of(spec, i);
    add_sending(script, tap, mac, addresses_of(spec.nics[i], mac), tag);
    add_hearing(script, tap, mac, spec.tenant, tag);
    script += fmt::format("add element {0} from {{ \"{1}\" : goto from_{1} }}\n", kTable, tap);
    script += fmt::format("add element {0} to {{ \"{1}\" : goto to_{1} }}\n", kTable, tap);
  }
  return script;
}

std::string packet_table(const std::map<VmId, std::string>& rules) {
  std::string script = fmt::format("add table {0}\ndelete table {0}\n", kTable) + fmt::format(kBase);
  for (const auto& [vm, own] : rules) script += own;
  return script;
}

std::string packet_table_with(const std::string& rules) { return fmt::format(kBase) + rules; }

int packet_rule_count(const std::map<VmId, std::string>& rules) {
  int count = kBaseRules;
  for (const auto& [vm, own] : rules) count += count_of(own, "add rule") + count_of(own, "add element");
  return count;
}

int listed_rule_count(const std::string& json) {
  const auto listed = json::parse(json);
  if (!listed || !listed->contains("nftables")) return -1;
  int count = 0;
  for (const json::Value& entry : (*listed)["nftables"]) {
    if (entry.contains("rule")) ++count;
    if (entry.contains("map") && entry["map"].contains("elem"))
      count += static_cast<int>(entry["map"]["elem"].size());
  }
  return count;
}

}  // namespace bascule::hostd
