// The access report, made of the audit: who of the provider was at work for which tenant, why, and how much.
#pragma once

#include <map>
#include <set>
#include <string>

#include "api/views.h"
#include "cluster/audit.h"

namespace bascule::api {

// Takes the audit entry by entry, oldest first. Bounded: of what comes beyond kMost nothing is kept.
class AccessReporter {
 public:
  static constexpr std::size_t kMost = 10'000;  // sessions, persons, reasons

  // `tenant`: whose report it is; empty: the provider's, of all.
  AccessReporter(WallTime since, WallTime until, TenantId tenant);

  void take(const AuditEntry& entry);
  AccessReport report() const;

 private:
  void open(const AuditEntry& entry);
  void close(const AuditEntry& entry);

  AccessReport report_;
  const TenantId tenant_;
  std::map<std::string, std::size_t> by_session_;  // index into items, by the session's subject
  std::map<std::pair<std::string, std::string>, std::size_t> at_work_;  // by person and tenant
  std::map<std::string, RefusedReportItem> refused_;
  struct Given {
    std::uint64_t times = 0;
    std::set<OperatorId> by;
  };
  std::map<std::string, Given> reasons_;
};

}  // namespace bascule::api
