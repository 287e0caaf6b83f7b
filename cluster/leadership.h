// Leadership: being the one manager whose words count, under a term that no one had before.
#pragma once

#include "base/id.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wire.h"
#include "cluster/records.h"
#include "cluster/request_log.h"
#include "cluster/store.h"
#include "failover/action.h"
#include "failover/policy.h"
#include "failover/step.h"

namespace bascule {

// Who speaks: stands in every message that a host obeys.
struct Leadership {
  ClusterId cluster;
  Epoch epoch;
  Term term;
  ManagerId manager;
};

// Takes the next term by a commit. What the engine and the manager begin from.
struct Inauguration {
  Leadership leadership;
  Records records;  // with the new term, epoch and longest lapse
  std::vector<RequestLog::Known> requests;
  CommitMarker marker;
  Revision revision;  // of the commit that took the term
};

// `longest_lapse` of the stored cluster grows to `policy.manager_lapse()` at least, in the same commit as the
// term, before any grant. A database that was restored or copied begins recovering, without the proofs,
// doubts and unsent notices of its former time. Errors: `conflict` when the database belongs to another
// cluster or another manager took the term meanwhile; those of load() and Store::commit.
Result<Inauguration> take_leadership(Store& store, const ClusterId& cluster, const Policy& policy,
                                     Random& random);

// A command complete with its envelope. `not_after` is on the host's own boot clock.
wire::Command make_command(const Leadership& leadership, const SendCommand& command, Duration not_after);

}  // namespace bascule
