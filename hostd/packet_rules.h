// What guests may send and receive on their bridge, as scripts for nft(8). Pure.
//
// A guest sends with its own MAC address, and with its own IP addresses where these are known. A tenant's
// guest says IPv4, ARP and IPv6 alone, is no DHCP server and no router, and hears nothing of other tenants'
// guests: those of this host are known by the mark that their packets get, those of other hosts by their MAC
// addresses, which carry the tenant's tag (base/tenant_network.h) and can't be forged, as each host sees to.
// What comes from elsewhere, such as the network's router, passes if it is for the guest or for everybody.
// A fragment of IPv6 that ends before its transport header passes unseen: receivers refuse it (RFC
// 8200, 4.5).
#pragma once

#include <map>
#include <string>

#include "base/model.h"

namespace bascule::hostd {

// Of one guest: only what is its own. Given again, it replaces itself.
std::string packet_rules(const VmSpec& spec);

// A whole table for guests with these rules, in place of the one there is, in one transaction.
std::string packet_table(const std::map<VmId, std::string>& rules);
// The same with one guest more, leaving the others as they are.
std::string packet_table_with(const std::string& rules);

// How many rules and map elements such a table has; of `nft --json list table`, -1 where it has none.
int packet_rule_count(const std::map<VmId, std::string>& rules);
int listed_rule_count(const std::string& json);

}  // namespace bascule::hostd
