// The packet filter on a real bridge of this kernel, in a network of its own: what gets from one guest's
// interface to another's. Needs root, ip(8) and nft(8).
#include "hostd/packet_filter.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/tenant_network.h"
#include "hostd/domain_xml.h"
#include "hostd/packet_rules.h"
#include "hostd/program.h"

namespace {

using namespace bascule;
using namespace bascule::hostd;

using Bytes = std::vector<unsigned char>;

Bytes mac_bytes(const std::string& mac) {
  Bytes bytes(6);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<unsigned char>(std::stoul(mac.substr(i * 3, 2), nullptr, 16));
  return bytes;
}

Bytes& append(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
  return to;
}

Bytes v4_bytes(const std::string& address) {
  Bytes bytes(4);
  inet_pton(AF_INET, address.c_str(), bytes.data());
  return bytes;
}
Bytes v6_bytes(const std::string& address) {
  Bytes bytes(16);
  inet_pton(AF_INET6, address.c_str(), bytes.data());
  return bytes;
}

Bytes frame(const std::string& from, unsigned short type, const Bytes& payload,
            const std::string& to = "ff:ff:ff:ff:ff:ff") {
  Bytes bytes = mac_bytes(to);
  append(bytes, mac_bytes(from));
  append(bytes, {static_cast<unsigned char>(type >> 8), static_cast<unsigned char>(type & 0xff)});
  return append(bytes, payload);
}

Bytes ipv4(const std::string& from, unsigned char protocol, const Bytes& payload) {
  const auto size = static_cast<unsigned char>(20 + payload.size());
  Bytes bytes{0x45, 0, 0, size, 0, 0, 0, 0, 64, protocol, 0, 0};
  append(bytes, v4_bytes(from));
  append(bytes, v4_bytes("255.255.255.255"));
  unsigned sum = 0;  // RFC 1071; the kernel's bridge looks at it too
  for (std::size_t i = 0; i < 20; i += 2) sum += static_cast<unsigned>(bytes[i] << 8 | bytes[i + 1]);
  sum = (sum & 0xffff) + (sum >> 16);
  bytes[10] = static_cast<unsigned char>(~sum >> 8 & 0xff);
  bytes[11] = static_cast<unsigned char>(~sum & 0xff);
  return append(bytes, payload);
}
Bytes ipv6(const std::string& from, unsigned char next, const Bytes& payload) {
  Bytes bytes{0x60, 0, 0, 0, 0, static_cast<unsigned char>(payload.size()), next, 255};
  append(bytes, v6_bytes(from));
  append(bytes, v6_bytes("ff02::1"));
  return append(bytes, payload);
}
Bytes udp(unsigned from, unsigned to = 4000) {
  const auto byte = [](unsigned value) { return static_cast<unsigned char>(value & 0xff); };
  return {byte(from >> 8), byte(from), byte(to >> 8), byte(to), 0, 8, 0, 0};
}
Bytes arp(const std::string& mac, const std::string& address) {
  Bytes bytes{0, 1, 8, 0, 6, 4, 0, 1};
  append(bytes, mac_bytes(mac));
  append(bytes, v4_bytes(address));
  append(bytes, Bytes(6));
  return append(bytes, v4_bytes("198.18.64.200"));
}
Bytes advert(const std::string& target) {  // RFC 4861, 4.4
  Bytes bytes{136, 0, 0, 0, 0x20, 0, 0, 0};
  return append(bytes, v6_bytes(target));
}

void must(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += word + " ";
  const auto code = run_program(words);
  INFO(line);
  REQUIRE(code);
  REQUIRE(*code == 0);
}

// The far end of a cable to the bridge: as a guest has it.
class Plug {
 public:
  Plug(const std::string& tap, const std::string& end) {
    must({"ip", "link", "add", tap, "type", "veth", "peer", "name", end});
    must({"ip", "link", "set", tap, "master", "br0", "up"});
    must({"ip", "link", "set", end, "up"});
    socket_ = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    REQUIRE(socket_ >= 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(end.c_str()));
    REQUIRE(bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Plug() { close(socket_); }
  Plug(const Plug&) = delete;
  Plug& operator=(const Plug&) = delete;

  void send(const Bytes& bytes) const {
    REQUIRE(::send(socket_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  }
  // Whether it comes before `last`, which is sent after it and always passes.
  bool receives(const Bytes& wanted, const Bytes& last) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    bool got = false;
    while (std::chrono::steady_clock::now() < until) {
      pollfd ready{socket_, POLLIN, 0};
      poll(&ready, 1, 100);
      std::array<unsigned char, 2048> buffer{};
      const ssize_t size = recv(socket_, buffer.data(), buffer.size(), 0);
      if (size <= 0) continue;
      const Bytes frame(buffer.begin(), buffer.begin() + size);
      if (frame == wanted) got = true;
      if (frame == last) return got;
    }
    FAIL("the packet that always passes did not come");
    return got;
  }

 private:
  int socket_ = -1;
};

VmSpec guest(const std::string& id, const std::string& tenant, const std::string& mac,
             std::vector<std::string> addresses) {
  VmSpec spec;
  spec.id = VmId(id);
  spec.tenant = TenantId(tenant);
  spec.nics.push_back({"br0", mac_prefix_of(spec.tenant) + mac, std::move(addresses)});
  return spec;
}

struct Network {
  Network() {
    must({"ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"});
    must({"ip", "link", "set", "br0", "up"});
    char name[] = "/tmp/bascule-filter-XXXXXX";
    folder = mkdtemp(name);
  }
  ~Network() { std::filesystem::remove_all(folder); }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  std::string folder;
};

// Two guests of acme, one of another tenant, one of the provider, and the rest of the network.
struct Bridge {
  Bridge() {
    for (const VmSpec* spec : {&shop, &back, &rival, &own}) REQUIRE(filter->protect(*spec));
  }

  Plug at(const VmSpec& spec, const char* end) { return {tap_name(spec.id, 0), end}; }
  // Whether a packet gets from one plug to another.
  bool passes(const Plug& from, const Plug& to, const Bytes& bytes) {
    from.send(bytes);
    // Then one from the rest of the network, by a sender that no rule knows.
    const auto number = static_cast<unsigned char>(++round);
    const Bytes last = frame("02:00:00:00:00:01", ETHERTYPE_IP, ipv4("192.0.2.1", 17, udp(number)));
    stranger.send(last);
    return to.receives(bytes, last);
  }
  static std::string mac(const VmSpec& spec) { return spec.nics[0].mac; }

  const Network network;
  const VmSpec shop = guest("vm-shop", "acme", "0:01", {"198.18.64.5", "2001:db8::5"});
  const VmSpec back = guest("vm-back", "acme", "0:02", {"198.18.64.6"});
  const VmSpec rival = guest("vm-rival", "other", "0:01", {"198.18.64.7"});
  const VmSpec own = guest("vm-own", "", "00:00:01", {});
  std::unique_ptr<PacketFilter> filter = std::move(*make_packet_filter(network.folder + "/filter"));
  const Plug rest_of_network{"uplink", "world"};
  const Plug stranger{"uplink2", "stranger"};
  const Plug shop_end = at(shop, "shop");
  const Plug back_end = at(back, "back");
  const Plug rival_end = at(rival, "rival");
  const Plug own_end = at(own, "own");
  int round = 0;
};

// In a network namespace of its own, which ends with the thread.
void in_own_network(const std::function<void(Bridge&)>& work) {
  std::thread([&work] {
    REQUIRE(unshare(CLONE_NEWNET) == 0);
    Bridge bridge;
    work(bridge);
  }).join();
}

Bytes ip_from(const std::string& mac, const std::string& address) {
  return frame(mac, ETHERTYPE_IP, ipv4(address, 17, udp(4000)));
}

}  // namespace

TEST_CASE("a guest is heard by its tenant's guests, by the provider's and by the rest of the network") {
  in_own_network([](Bridge& b) {
    const Bytes hello = ip_from(b.mac(b.shop), "198.18.64.5");
    CHECK(b.passes(b.shop_end, b.back_end, hello));
    CHECK(b.passes(b.shop_end, b.own_end, hello));
    CHECK(b.passes(b.shop_end, b.rest_of_network, hello));
    CHECK(b.passes(b.shop_end, b.back_end,
                   frame(b.mac(b.shop), ETHERTYPE_ARP, arp(b.mac(b.shop), "198.18.64.5"))));
    CHECK(b.passes(b.shop_end, b.back_end, ip_from(b.mac(b.shop), "0.0.0.0")));  // asking for an address
    CHECK(b.passes(b.own_end, b.shop_end, ip_from(b.mac(b.own), "198.18.0.1")));
  });
}

TEST_CASE("no guest is heard by another tenant's, be it on this host or on another") {
  in_own_network([](Bridge& b) {
    CHECK_FALSE(b.passes(b.shop_end, b.rival_end, ip_from(b.mac(b.shop), "198.18.64.5")));
    CHECK_FALSE(b.passes(b.rival_end, b.shop_end, ip_from(b.mac(b.rival), "198.18.64.7")));
    const std::string far = mac_prefix_of(TenantId("other")) + "0:09";
    CHECK_FALSE(b.passes(b.rest_of_network, b.shop_end, ip_from(far, "198.18.64.9")));
    CHECK(b.passes(b.rest_of_network, b.shop_end, ip_from("56:00:00:00:00:09", "198.18.64.9")));  // by chance
    const std::string ours = mac_prefix_of(TenantId("acme")) + "0:09";
    CHECK(b.passes(b.rest_of_network, b.shop_end, ip_from(ours, "198.18.64.9")));
  });
}

TEST_CASE("nor does one whose MAC address has no tag, as it is from before there were any") {
  in_own_network([](Bridge& b) {
    VmSpec old = guest("vm-old", "acme", "0:07", {"198.18.64.8"});
    old.nics[0].mac = "52:54:00:00:00:07";
    REQUIRE(b.filter->protect(old));
    const Plug old_end = b.at(old, "old");
    CHECK_FALSE(b.passes(old_end, b.rival_end, ip_from(b.mac(old), "198.18.64.8")));
    CHECK(b.passes(old_end, b.shop_end, ip_from(b.mac(old), "198.18.64.8")));
  });
}

TEST_CASE("a guest hears nothing that is for another, nor draws it to itself") {
  in_own_network([](Bridge& b) {
    const std::string router = "02:00:00:00:00:07";
    const auto for_rival = [&](unsigned number) {
      return frame(router, ETHERTYPE_IP, ipv4("192.0.2.7", 17, udp(number)), b.mac(b.rival));
    };
    // The bridge has not heard of the rival yet: it sends to everybody.
    CHECK_FALSE(b.passes(b.rest_of_network, b.shop_end, for_rival(1)));
    CHECK(b.passes(b.rest_of_network, b.rival_end, for_rival(2)));
    for (const char* link_local : {"01:80:c2:00:00:0e", "01:80:c2:00:00:00", "01:80:c2:00:00:03"})
      b.shop_end.send(frame(b.mac(b.rival), 0x88cc, Bytes(46), link_local));
    CHECK_FALSE(b.passes(b.rest_of_network, b.shop_end, for_rival(3)));
    CHECK(b.passes(b.rest_of_network, b.rival_end, for_rival(4)));
  });
}

TEST_CASE("a guest sends with no MAC address but its own") {
  in_own_network([](Bridge& b) {
    for (const std::string& mac : {b.mac(b.back), b.mac(b.rival), std::string("02:00:00:00:00:09")})
      CHECK_FALSE(b.passes(b.shop_end, b.rest_of_network, ip_from(mac, "198.18.64.5")));
    CHECK_FALSE(b.passes(b.own_end, b.rest_of_network, ip_from(b.mac(b.shop), "198.18.64.5")));
    CHECK_FALSE(b.passes(b.shop_end, b.rest_of_network,
                         frame(b.mac(b.shop), ETHERTYPE_ARP, arp(b.mac(b.back), "198.18.64.5"))));
  });
}

TEST_CASE("a guest sends with no IP address but its own, nor says that another's is its own") {
  in_own_network([](Bridge& b) {
    const std::string mac = b.mac(b.shop);
    CHECK_FALSE(b.passes(b.shop_end, b.back_end, ip_from(mac, "198.18.64.6")));
    CHECK_FALSE(b.passes(b.shop_end, b.back_end, frame(mac, ETHERTYPE_ARP, arp(mac, "198.18.64.6"))));
    CHECK(b.passes(b.shop_end, b.back_end, frame(mac, ETHERTYPE_IPV6, ipv6("2001:db8::5", 17, udp(4000)))));
    CHECK_FALSE(
        b.passes(b.shop_end, b.back_end, frame(mac, ETHERTYPE_IPV6, ipv6("2001:db8::6", 17, udp(4000)))));
    CHECK(b.passes(b.shop_end, b.back_end,
                   frame(mac, ETHERTYPE_IPV6, ipv6("2001:db8::5", 58, advert("2001:db8::5")))));
    CHECK_FALSE(b.passes(b.shop_end, b.back_end,
                         frame(mac, ETHERTYPE_IPV6, ipv6("2001:db8::5", 58, advert("2001:db8::6")))));
    // One that was given none says nothing by it.
    CHECK_FALSE(b.passes(b.back_end, b.shop_end,
                         frame(b.mac(b.back), ETHERTYPE_IPV6, ipv6("fe80::1", 17, udp(4000)))));
  });
}

TEST_CASE("a tenant's guest is no router, no DHCP server, and speaks no other protocol") {
  in_own_network([](Bridge& b) {
    const std::string mac = b.mac(b.shop);
    CHECK_FALSE(b.passes(b.shop_end, b.back_end, frame(mac, ETHERTYPE_IP, ipv4("198.18.64.5", 17, udp(67)))));
    CHECK_FALSE(
        b.passes(b.shop_end, b.back_end, frame(mac, ETHERTYPE_IP, ipv4("198.18.64.5", 17, udp(1067, 68)))));
    CHECK(b.passes(b.shop_end, b.back_end, frame(mac, ETHERTYPE_IP, ipv4("0.0.0.0", 17, udp(68, 67)))));
    const auto says = [&](unsigned char next, const Bytes& payload) {
      return b.passes(b.shop_end, b.back_end, frame(mac, ETHERTYPE_IPV6, ipv6("2001:db8::5", next, payload)));
    };
    CHECK(says(17, udp(546)));
    CHECK_FALSE(says(17, udp(547)));
    CHECK_FALSE(says(17, udp(1547, 546)));
    for (const unsigned char type : {134, 137}) {  // router advertisement, redirect
      Bytes message{type, 0, 0, 0};
      message.resize(40);
      CHECK_FALSE(says(58, message));
    }
    Bytes tagged{0, 7, 8, 0};  // VLAN 7, then IPv4
    append(tagged, ipv4("198.18.64.5", 17, udp(4000)));
    CHECK_FALSE(b.passes(b.shop_end, b.back_end, frame(mac, ETHERTYPE_VLAN, tagged)));
    CHECK_FALSE(b.passes(b.shop_end, b.back_end, frame(mac, 0x88b5, Bytes(46))));
  });
}

TEST_CASE("rules that somebody took away come back, and that is said; those of a guest that ended go") {
  in_own_network([](Bridge& b) {
    const auto all = [&b] { return std::set<VmId>{b.shop.id, b.back.id, b.rival.id, b.own.id}; };
    CHECK(b.filter->look(all));
    must({"nft", "flush", "ruleset"});
    const Bytes forged = ip_from(b.mac(b.rival), "198.18.64.5");
    CHECK(b.passes(b.shop_end, b.back_end, forged));
    const Status looked = b.filter->look(all);
    REQUIRE_FALSE(looked);
    CHECK(looked.error().code == ErrorCode::conflict);
    CHECK(b.filter->look(all));
    CHECK_FALSE(b.passes(b.shop_end, b.back_end, forged));
    const Bytes another = ip_from(b.mac(b.rival), "198.18.64.8");
    CHECK_FALSE(b.passes(b.shop_end, b.rest_of_network, another));
    CHECK(b.filter->look([&b] { return std::set<VmId>{b.back.id}; }));
    CHECK(b.passes(b.shop_end, b.rest_of_network, another));
  });
}

TEST_CASE("the next life of the daemon knows the rules") {
  in_own_network([](Bridge& b) {
    b.filter = std::move(*make_packet_filter(b.network.folder + "/filter"));
    must({"nft", "flush", "ruleset"});
    CHECK_FALSE(b.filter->look([&b] { return std::set<VmId>{b.shop.id, b.back.id, b.rival.id, b.own.id}; }));
    CHECK_FALSE(b.passes(b.shop_end, b.rest_of_network, ip_from(b.mac(b.rival), "198.18.64.5")));
  });
}
