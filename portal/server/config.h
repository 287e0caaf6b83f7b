// portal.toml as a type. What each key means stands in ARCHITECTURE.md, "Configuration keys".
#pragma once

#include <string>

#include "base/net/tls.h"
#include "base/result.h"

namespace bascule::portal {

struct ListenConfig {
  std::string address;
  std::uint16_t port = 443;
  std::string certificate;  // PEM, with its chain: what tenants' browsers and programs trust
  std::string key;          // PEM
  std::uint32_t connections = 20'000;
  std::uint32_t connections_per_address = 2'000;
};
template <class V>
void fields(V& v, ListenConfig& x) {
  v("address", x.address);
  v.optional("port", x.port);
  v("certificate", x.certificate);
  v("key", x.key);
  v.optional("connections", x.connections);
  v.optional("connections_per_address", x.connections_per_address);
}

struct ManagerConfig {
  std::string address;  // "198.18.0.2:7447": the manager's port for portals
};
template <class V>
void fields(V& v, ManagerConfig& x) {
  v("address", x.address);
}

struct PortalConfig {
  ListenConfig listen;
  ManagerConfig manager;
  std::string pages;  // a folder of what browsers get; empty: this portal is for programs alone
  net::TlsFiles tls;  // towards the manager: a certificate with OU=portal
};
template <class V>
void fields(V& v, PortalConfig& x) {
  v("listen", x.listen);
  v("manager", x.manager);
  v.optional("pages", x.pages);
  v("tls", x.tls);
}

// Every problem of the file at once, with its lines.
Result<PortalConfig> load_portal_config(const std::string& path);

}  // namespace bascule::portal
