#include "cluster/leadership.h"

#include <algorithm>
#include <deque>

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

// A database that was restored or copied remembers another time: its proofs, its suspicions and its unsent
// notices are void. Plans expire at each start anyway. Each part may be repeated, so a crash in between is
// harmless: the old epoch stands until the term is taken.
Status void_what_was_believed(Store& store, Loaded& loaded) {
  std::deque<KeyValue> puts;
  for (HostRecord& host : loaded.records.hosts) {
    host.phase = HostPhase::absent;
    host.phase_reason = Reason::recovering_epoch;
    host.evidence.clear();
    host.revoked.reset();
    host.revoked_echo.reset();
    host.withheld = false;
    host.serials.clear();  // they may have been renewed since; who was expelled stays out
    puts.push_back(pair_of(host));
  }
  for (VmRecord& vm : loaded.records.vms) {
    if (vm.words.empty()) continue;
    vm.words.clear();
    puts.push_back(pair_of(vm));
  }
  const Result<StoreSnapshot> outbox = store.read(keys::kOutbox);
  if (!outbox) return failure(outbox.error());
  std::deque<std::string> deletes;
  for (const StoredPair& pair : outbox->pairs) deletes.push_back(pair.key);
  while (!puts.empty() || !deletes.empty()) {
    Transaction transaction;
    transaction.expect_term = loaded.term;
    for (; !puts.empty() && transaction.puts.size() < kMostOperations / 2; puts.pop_front())
      transaction.puts.push_back(std::move(puts.front()));
    for (; !deletes.empty() && transaction.deletes.size() < kMostOperations / 2; deletes.pop_front())
      transaction.deletes.push_back(std::move(deletes.front()));
    if (const Result<Revision> revision = store.commit(transaction); !revision)
      return failure(revision.error().within("voiding what a restored database believed"));
  }
  return {};
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
  if (!loaded->fresh && record.epoch != identity.epoch)
    if (const Status done = void_what_was_believed(store, *loaded); !done) return failure(done.error());
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
                      std::move(loaded->requests),
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
