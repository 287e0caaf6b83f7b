// Waits: how many requests of tenants' users are held open, waiting for the end of something. Each holds a
// connection of its portal, so nobody may hold many. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/id.h"

namespace bascule::api {

class Waits {
 public:
  Waits(int most_of_user, int most_of_tenant)
      : most_of_user_(most_of_user), most_of_tenant_(most_of_tenant) {}

  // A place among those who wait; given back by release(), or with its last holder.
  class Place {
   public:
    Place(Waits& waits, std::string user, std::string tenant);
    ~Place() { release(); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    void release();

   private:
    std::atomic<Waits*> waits_;
    const std::string user_, tenant_;
  };

  // Null when they have enough: then they are answered at once.
  std::shared_ptr<Place> take(const OperatorId& user, const TenantId& tenant);

 private:
  void give_back(const std::string& user, const std::string& tenant);

  const int most_of_user_, most_of_tenant_;
  std::mutex mutex_;
  std::map<std::string, int> held_;  // by user, and by tenant
};

}  // namespace bascule::api
