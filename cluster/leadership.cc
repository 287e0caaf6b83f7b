#include "cluster/leadership.h"

#include <algorithm>

#include "base/log.h"
#include "cluster/keys.h"

namespace bascule {

namespace {

Transaction taking_term(const Loaded& loaded, const ClusterRecord& cluster, const CommitMarker& marker) {
  Transaction transaction;
  transaction.expect_term = loaded.term;
  transaction.expect = {{std::string(keys::kMarker), loaded.marker_revision}};
  transaction.puts = {{std::string(kTermKey), std::to_string(cluster.term.value)},
                      {std::string(keys::kCluster), encode_text_of(cluster)},
                      {std::string(keys::kMarker), encode_text_of(marker)}};
  return transaction;
}

}  // namespace

Result<Inauguration> take_leadership(Store& store, const ClusterId& cluster, const Policy& policy,
                                     Random& random) {
  Result<Loaded> loaded = load(store);
  if (!loaded) return failure(loaded.error());
  ClusterRecord& record = loaded->records.cluster;
  if (!loaded->fresh && record.cluster != cluster)
    return failure(ErrorCode::conflict, "the database belongs to cluster \"" + record.cluster.value +
                                            "\", the configuration names \"" + cluster.value +
                                            "\": correct `cluster` or `state_dir`");
  const StoreIdentity identity = store.identity();
  record.cluster = cluster;
  record.epoch = identity.epoch;
  record.term = loaded->term.next();
  record.recovering = record.recovering || identity.restored;
  record.longest_lapse = std::max(record.longest_lapse, policy.manager_lapse());

  CommitMarker marker = loaded->marker;
  marker.manager = ManagerId(make_uuid(random));
  marker.number = 1;
  const Result<Revision> revision = store.commit(taking_term(*loaded, record, marker));
  if (!revision) return failure(revision.error().within("taking term " + std::to_string(record.term.value)));
  log(LogLevel::info, "leadership", "term_taken",
      {{"term", record.term},
       {"epoch", record.epoch.number},
       {"manager", marker.manager},
       {"recovering", record.recovering}});
  return Inauguration{{cluster, record.epoch, record.term, marker.manager},
                      std::move(loaded->records),
                      std::move(marker),
                      *revision};
}

wire::Command make_command(const Leadership& leadership, const SendCommand& command, Duration not_after) {
  wire::Command complete;
  complete.action = command.action;
  complete.cluster = leadership.cluster;
  complete.epoch = leadership.epoch;
  complete.term = leadership.term;
  complete.manager = leadership.manager;
  complete.boot_id = command.to.boot_id;
  complete.generation = command.generation;
  complete.not_after = not_after;
  complete.order = command.order;
  return complete;
}

}  // namespace bascule
