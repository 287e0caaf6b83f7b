// The access report, made of the audit: who of the provider was at work for which tenant, why, and how much.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/time.h"
#include "cluster/audit.h"

namespace bascule::api {

// One person of the provider at work for one tenant, from the reason that they gave to its end.
struct AccessReportItem {
  OperatorId by;
  TenantId tenant;
  std::string category;
  std::string reason;
  WallTime began;
  std::optional<WallTime> ended;  // absent: it is open
  std::uint64_t looks = 0;
  std::uint64_t changes = 0;
};
template <class V>
void fields(V& v, AccessReportItem& x) {
  v("by", x.by);
  v("tenant", x.tenant);
  v("category", x.category);
  v("reason", x.reason);
  v("began", x.began);
  v.optional("ended", x.ended);
  v("looks", x.looks);
  v("changes", x.changes);
}
struct RefusedReportItem {
  OperatorId who;
  std::uint64_t times = 0;
  WallTime last;
};
template <class V>
void fields(V& v, RefusedReportItem& x) {
  v("who", x.who);
  v("times", x.times);
  v("last", x.last);
}
struct ReusedReason {
  std::string reason;
  std::uint64_t times = 0;
  std::vector<OperatorId> by;
};
template <class V>
void fields(V& v, ReusedReason& x) {
  v("reason", x.reason);
  v("times", x.times);
  v("by", x.by);
}
struct AccessReport {
  WallTime since;
  WallTime until;
  std::vector<AccessReportItem> items;
  std::vector<RefusedReportItem> refused;
  std::vector<ReusedReason> reused;  // given more than once, word for word
};
template <class V>
void fields(V& v, AccessReport& x) {
  v("since", x.since);
  v("until", x.until);
  v("items", x.items);
  v("refused", x.refused);
  v("reused", x.reused);
}

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
