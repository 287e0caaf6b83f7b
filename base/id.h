// Strong identifiers and counters: a HostId can't be passed where a VmId is meant.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace bascule {

// A name or UUID. The tag only tells the types apart.
template <class Tag>
struct Id {
  std::string value;

  Id() = default;
  explicit Id(std::string text) : value(std::move(text)) {}
  bool empty() const { return value.empty(); }
  auto operator<=>(const Id&) const = default;
};

// A number that only ever grows.
template <class Tag>
struct Counter {
  std::uint64_t value = 0;

  Counter() = default;
  explicit constexpr Counter(std::uint64_t number) : value(number) {}
  Counter next() const { return Counter(value + 1); }
  auto operator<=>(const Counter&) const = default;
};

using ClusterId = Id<struct ClusterTag>;
using SiteId = Id<struct SiteTag>;  // "paris"
using HostId = Id<struct HostTag>;  // "paris-1"
using BootId = Id<struct BootTag>;  // /proc/sys/kernel/random/boot_id of one boot of a host
using VmId = Id<struct VmTag>;      // UUID, the same in libvirt
using TenantId = Id<struct TenantTag>;
using ManagerId = Id<struct ManagerTag>;  // one process life of a manager
// A person: the common name in an operator's certificate, or "tenant/name" of a tenant's user.
using OperatorId = Id<struct OperatorTag>;
using ActionId = Id<struct ActionTag>;    // makes a command idempotent
using RequestId = Id<struct RequestTag>;  // one request of a user, from words to last action
using IncidentId = Id<struct IncidentTag>;
using PlanId = Id<struct PlanTag>;
using AccessId = Id<struct AccessTag>;  // one access session of the provider's staff
using ImageId = Id<struct ImageTag>;    // of a tenant's own image: UUID
using TokenId = Id<struct TokenTag>;    // SHA-256 of a secret that lets a tenant's user in, in hexadecimal

using Generation = Counter<struct GenerationTag>;  // of a VM: grows with each decision to start or move it
using Term = Counter<struct TermTag>;              // of leadership
using EpochNumber = Counter<struct EpochTag>;      // of the database
using Revision = Counter<struct RevisionTag>;      // of the store

// The identity of a database: restoring or copying one makes a higher number and a new id.
struct Epoch {
  std::string id;
  EpochNumber number;
  auto operator<=>(const Epoch&) const = default;
};

// Letters, digits, '-', '_' and '.', starting with a letter or digit, at most 63: safe in paths, XML and
// logs.
bool is_valid_name(std::string_view text);
// 8-4-4-4-12 lower-case hexadecimal.
bool is_valid_uuid(std::string_view text);

}  // namespace bascule

template <class Tag>
struct std::hash<bascule::Id<Tag>> {
  std::size_t operator()(const bascule::Id<Tag>& id) const { return std::hash<std::string>()(id.value); }
};
