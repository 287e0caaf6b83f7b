// PacketFilter: keeps guests on a bridge apart, by packet_rules.h. It is set before a guest is started.
//
// Thread-safe; blocks on nft(8). The rules are the kernel's, so they outlast this daemon; what they should be
// stands in a folder of the same life, so that its next life knows.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/model.h"
#include "base/result.h"

namespace bascule::hostd {

class PacketFilter {
 public:
  virtual ~PacketFilter() = default;
  // Before the guest has an interface. An error: nothing is protected, don't start it.
  virtual Status protect(const VmSpec& spec) = 0;
  // Forgets all but these guests, who are asked for while nobody is being protected. `conflict`: the rules
  // were not as they should be, and are again; any other error: they can't be.
  virtual Status look(const std::function<std::set<VmId>()>& guests) = 0;
};

// `folder`: its own; made if there is none.
Result<std::unique_ptr<PacketFilter>> make_packet_filter(std::string folder);

// What an earlier life of this daemon set, when it had one.
void remove_packet_filter();

// That lets everything pass: where the network keeps guests apart by itself, and in tests.
std::unique_ptr<PacketFilter> make_open_filter();

}  // namespace bascule::hostd
