#include "base/tenant_network.h"

#include <fmt/format.h>

#include "base/sha256.h"

namespace bascule {

std::uint32_t tag_of(const TenantId& tenant) {
  if (tenant.empty()) return 0;
  const auto tag = static_cast<std::uint32_t>(std::stoul(sha256_hex(tenant.value).substr(0, 5), nullptr, 16));
  return tag == 0 ? 1 : tag;
}

std::string mac_prefix_of(const TenantId& tenant) {
  if (tenant.empty()) return "52:54:00:";
  const std::uint32_t tag = tag_of(tenant);
  return fmt::format("{}{:02x}:{:02x}:{:x}", kTenantMac, tag >> 12, tag >> 4 & 0xff, tag & 0xf);
}

}  // namespace bascule
