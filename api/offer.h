// Offer: what tenants may make machines of, as manager.toml says; and how what one of them wants becomes a
// specification. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/problem.h"
#include "base/model.h"
#include "base/random.h"
#include "failover/state.h"

namespace bascule::api {

// A template that volumes may begin as.
struct ImageOffer {
  std::string name;
  std::string description;
  std::string pool;           // where it is, and where its volumes are made; empty: the offer's
  std::string template_name;  // in that pool; empty: its name
  std::uint64_t least_mib = 1024;
  std::optional<KernelBoot> kernel;  // where it has no boot loader
};
template <class V>
void fields(V& v, ImageOffer& x) {
  v("name", x.name);
  v.optional("description", x.description);
  v.optional("pool", x.pool);
  v.optional("template", x.template_name);
  v.optional("least_mib", x.least_mib);
  v.optional("kernel", x.kernel);
}

// Where their guests are on the network, until tenants have networks of their own.
struct NetworkOffer {
  std::string bridge;   // of every host
  std::string range;    // "198.18.64.0/20": guests' addresses
  int prefix = 0;       // of the whole network that the range is in; 0: the range's own
  std::string gateway;  // empty: there is none
  std::vector<std::string> dns;
  std::vector<std::string> reserved;  // of the range, for others
};
template <class V>
void fields(V& v, NetworkOffer& x) {
  v("bridge", x.bridge);
  v("range", x.range);
  v.optional("prefix", x.prefix);
  v.optional("gateway", x.gateway);
  v.optional("dns", x.dns);
  v.optional("reserved", x.reserved);
}

struct Offer {
  std::string pool;  // of their volumes; empty: nothing is offered
  std::optional<NetworkOffer> network;
  std::vector<ImageOffer> image;
};
template <class V>
void fields(V& v, Offer& x) {
  v("pool", x.pool);
  v.optional("network", x.network);
  v.optional("image", x.image);
}
// Every problem of it, as "path: what is wrong".
std::vector<std::string> problems_of(const Offer& offer);

// What a tenant's user asks for.
struct Wish {
  std::string name;
  std::optional<SiteId> home;  // absent: the primary site
  std::uint32_t memory_mib = 0;
  std::uint32_t vcpus = 1;
  std::uint64_t size_mib = 0;
  std::string image;  // empty: an empty volume
  std::string iso;    // of their own images: in its drive, and booted from while the volume is empty
  std::vector<std::string> ssh_keys;
  std::string user_data;  // for cloud-init
  bool screen = true;
  bool protected_ = true;
  bool start = true;
  std::string reason;
};
template <class V>
void fields(V& v, Wish& x) {
  v("name", x.name);
  v.optional("home", x.home);
  v("memory_mib", x.memory_mib);
  v.optional("vcpus", x.vcpus);
  v("size_mib", x.size_mib);
  v.optional("image", x.image);
  v.optional("iso", x.iso);
  v.optional("ssh_keys", x.ssh_keys);
  v.optional("user_data", x.user_data);
  v.optional("screen", x.screen);
  v.optional("protected", x.protected_);
  v.optional("start", x.start);
  v.optional("reason", x.reason);
}

// The specification of a machine with that id; or nothing, and every problem of the wish.
std::optional<VmSpec> spec_of(const Wish& wish, const VmId& id, const TenantId& tenant, const Offer& offer,
                              const State& state, Random& random, std::vector<FieldProblem>& problems);

}  // namespace bascule::api
