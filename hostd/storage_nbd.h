// A pool that is an NBD server: each volume an export, made by the server's administrator, not by us.
#pragma once

#include <optional>

#include "hostd/storage.h"

namespace bascule::hostd {

struct NbdAddress {
  std::string host;
  std::uint16_t port = 10809;
};
std::optional<NbdAddress> parse_nbd_url(std::string_view url);  // "nbd://198.18.0.4:10809"

std::unique_ptr<StoragePool> make_nbd_pool(const std::string& name, const NbdAddress& address);

}  // namespace bascule::hostd
