// Directory: the people and tenants that State knows, and who is at work in whose scope now.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/time.h"
#include "failover/access/permission.h"

namespace bascule {

struct Tenant {
  int version = 1;
  TenantId id;  // a valid name
  WallTime created;
};
template <class V>
void fields(V& v, Tenant& x) {
  v("version", x.version);
  v("id", x.id);
  v("created", x.created);
}

enum class AccessCategory { incident, maintenance, asked_by_tenant, security, legal };
constexpr auto enum_names(AccessCategory) {
  using C = AccessCategory;
  return std::array{EnumName<C>{C::incident, "incident"}, EnumName<C>{C::maintenance, "maintenance"},
                    EnumName<C>{C::asked_by_tenant, "asked_by_tenant"}, EnumName<C>{C::security, "security"},
                    EnumName<C>{C::legal, "legal"}};
}

// One person of the provider at work in one tenant's scope, with a reason and for a bounded time. Stored
// while it is open; afterwards the audit alone knows it.
struct AccessSession {
  int version = 1;
  AccessId id;
  OperatorId by;
  TenantId tenant;
  AccessCategory category = AccessCategory::incident;
  std::string reason;
  WallTime began;
  WallTime ends;  // for people; State::access_ends decides
};
template <class V>
void fields(V& v, AccessSession& x) {
  v("version", x.version);
  v("id", x.id);
  v("by", x.by);
  v("tenant", x.tenant);
  v("category", x.category);
  v("reason", x.reason);
  v("began", x.began);
  v("ends", x.ends);
}

struct Directory {
  std::map<OperatorId, std::vector<StaffRole>> staff;  // as configured: named accounts only
  std::map<TenantId, Tenant> tenants;
  std::map<AccessId, AccessSession> access;  // open ones
};
template <class V>
void fields(V& v, Directory& x) {
  v("staff", x.staff);
  v("tenants", x.tenants);
  v("access", x.access);
}

}  // namespace bascule
