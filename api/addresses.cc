#include "api/addresses.h"

#include <arpa/inet.h>

#include <charconv>

#include "base/tenant_network.h"

namespace bascule::api {
namespace {

constexpr std::size_t kMacSize = 17;

std::uint32_t mask_of(int prefix) { return prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix); }

std::string text_of(std::uint32_t address) {
  const in_addr bytes{htonl(address)};
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &bytes, text, sizeof text);
}

}  // namespace

std::string make_mac(const std::string& uuid, const TenantId& tenant, const std::set<std::string>& taken) {
  // The last 12 digits of a version 4 UUID are random.
  const std::string digits = uuid.substr(uuid.size() - 12);
  const std::string prefix = mac_prefix_of(tenant);
  for (std::size_t i = 0; i + 6 <= digits.size(); ++i) {
    std::string mac = prefix;
    for (std::size_t j = i; mac.size() < kMacSize; ++j) {
      mac += digits[j];
      if (mac.size() % 3 == 2 && mac.size() < kMacSize) mac += ":";
    }
    if (!taken.contains(mac)) return mac;
  }
  return "";
}

std::set<std::string> macs_of(const State& state) {
  std::set<std::string> macs;
  for (const auto& [id, vm] : state.vms)
    for (const Nic& nic : vm.record.spec.nics) macs.insert(nic.mac);
  return macs;
}

bool Range::contains(std::uint32_t address) const { return (address & mask_of(prefix)) == network; }

std::optional<std::uint32_t> parse_v4(const std::string& text) {
  in_addr bytes{};
  if (inet_pton(AF_INET, text.c_str(), &bytes) != 1) return std::nullopt;
  return ntohl(bytes.s_addr);
}

std::optional<Range> parse_range(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto network = parse_v4(text.substr(0, slash));
  int prefix = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + slash + 1, end, prefix);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == end;
  if (!network || !whole || prefix < kShortestPrefix || prefix > kLongestPrefix) return std::nullopt;
  if ((*network & ~mask_of(prefix)) != 0) return std::nullopt;
  return Range{*network, prefix};
}

std::optional<std::string> free_address(const Range& range, const std::set<std::string>& reserved,
                                        const State& state, Random& random) {
  std::set<std::string> taken = reserved;
  for (const auto& [id, vm] : state.vms)
    for (const Nic& nic : vm.record.spec.nics) taken.insert(nic.addresses.begin(), nic.addresses.end());
  const std::uint32_t usable = ~mask_of(range.prefix) - 1;
  const auto first = static_cast<std::uint32_t>(random.next() % usable);
  // As many tries as there are taken ones, and one more, find a free one.
  const std::uint64_t tries = std::min<std::uint64_t>(usable, taken.size() + 1);
  for (std::uint64_t i = 0; i < tries; ++i) {
    std::string address = text_of(range.network + 1 + (first + static_cast<std::uint32_t>(i)) % usable);
    if (!taken.contains(address)) return address;
  }
  return std::nullopt;
}

}  // namespace bascule::api
