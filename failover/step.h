// The engine: one pure function. Same State, Event, now and Policy give the same Outcome, on any machine.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "failover/action.h"
#include "failover/audit_record.h"
#include "failover/event.h"
#include "failover/policy.h"
#include "failover/state.h"

namespace bascule {

// Store keys of the records that a step changed or removed: "host/<id>", "vm/<id>", "incident/<id>",
// "plan/<id>", "tenant/<id>",
// "access/<id>", "cluster". A touched key that State no longer holds is deleted.
using Touched = std::set<std::string>;

struct Outcome {
  State next;
  std::vector<Action> actions;
  std::vector<AuditRecord> audit;
  Touched touched;
};

// `state` is moved through. Never fails; what can't be done becomes an Answer with an error, a hold, or an
// audit record.
Outcome step(State state, const Event& event, Instant now, const Policy& policy);

// A State from stored records and the configured inventory, as a new manager begins: all live parts anew,
// every host unheard, fencing in progress resumed by the first Tick.
struct Inventory {
  std::vector<Site> sites;
  struct Entry {
    HostId id;
    SiteId site;
    bool has_bmc = false;
  };
  std::vector<Entry> hosts;
  std::map<OperatorId, std::vector<StaffRole>> staff;
  std::map<OperatorId, std::vector<Permission>> staff_own{};  // of roles of the provider's own
};
struct Records {
  ClusterRecord cluster;
  std::vector<HostRecord> hosts;
  std::vector<VmRecord> vms;
  std::vector<Incident> incidents;
  std::vector<FailbackPlan> plans;
  std::vector<Tenant> tenants;
  std::vector<AccessSession> access;
  std::vector<TenantUser> users;
  std::vector<Token> tokens;
  std::vector<TenantImage> images{};
};
State begin(const Records& records, const Inventory& inventory, ManagerId manager, Instant now);

}  // namespace bascule
