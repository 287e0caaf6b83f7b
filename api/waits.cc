#include "api/waits.h"

namespace bascule::api {

Waits::Place::Place(Waits& waits, std::string user, std::string tenant)
    : waits_(&waits), user_(std::move(user)), tenant_(std::move(tenant)) {}

void Waits::Place::release() {
  if (Waits* const waits = waits_.exchange(nullptr)) waits->give_back(user_, tenant_);
}

std::shared_ptr<Waits::Place> Waits::take(const OperatorId& user, const TenantId& tenant) {
  const std::lock_guard lock(mutex_);
  int& of_user = held_[user.value];
  int& of_tenant = held_[tenant.value];
  if (of_user >= most_of_user_ || of_tenant >= most_of_tenant_) return nullptr;
  ++of_user;
  ++of_tenant;
  return std::make_shared<Place>(*this, user.value, tenant.value);
}

void Waits::give_back(const std::string& user, const std::string& tenant) {
  const std::lock_guard lock(mutex_);
  for (const std::string& name : {user, tenant})
    if (--held_[name] <= 0) held_.erase(name);
}

}  // namespace bascule::api
