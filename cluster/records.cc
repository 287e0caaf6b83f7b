#include "cluster/records.h"

#include "base/json.h"
#include "cluster/keys.h"

namespace bascule {

namespace {

Error damaged(const std::string& key, const Error& error) {
  return {ErrorCode::corrupt,
          "the record \"" + key + "\" in the database can't be read: " + error.message +
              "; restore the database from a backup, or remove the record if it is known to be "
              "worthless"};
}

template <class T>
Status add(const StoredPair& pair, std::vector<T>& records) {
  Result<T> record = json::decode_text<T>(pair.value, json::Unknown::tolerate);
  if (!record) return failure(damaged(pair.key, record.error()));
  records.push_back(std::move(*record));
  return {};
}

template <class T>
Status add_all(Store& store, std::string_view prefix, std::vector<T>& records) {
  const Result<StoreSnapshot> snapshot = store.read(prefix);
  if (!snapshot) return failure(snapshot.error());
  for (const StoredPair& pair : snapshot->pairs)
    if (const Status added = add(pair, records); !added) return added;
  return {};
}

Result<std::optional<StoredPair>> read_one(Store& store, std::string_view key) {
  Result<StoreSnapshot> snapshot = store.read(key);
  if (!snapshot) return failure(snapshot.error());
  for (StoredPair& pair : snapshot->pairs)
    if (pair.key == key) return std::optional(std::move(pair));
  return std::optional<StoredPair>();
}

Status load_term(Store& store, Term& term) {
  const Result<std::optional<StoredPair>> pair = read_one(store, kTermKey);
  if (!pair) return failure(pair.error());
  if (!*pair) return {};
  const Result<std::uint64_t> number =
      json::decode_text<std::uint64_t>((*pair)->value, json::Unknown::refuse);
  if (!number) return failure(damaged((*pair)->key, number.error()));
  term = Term(*number);
  return {};
}

Status load_marker(Store& store, Loaded& loaded) {
  const Result<std::optional<StoredPair>> pair = read_one(store, keys::kMarker);
  if (!pair) return failure(pair.error());
  if (!*pair) return {};
  Result<CommitMarker> marker = decode_marker((*pair)->value);
  if (!marker) return failure(marker.error());
  loaded.marker = std::move(*marker);
  loaded.marker_revision = (*pair)->revision;
  return {};
}

Status load_cluster(Store& store, Loaded& loaded) {
  const Result<std::optional<StoredPair>> pair = read_one(store, keys::kCluster);
  if (!pair) return failure(pair.error());
  loaded.fresh = !pair->has_value();
  if (loaded.fresh) return {};
  std::vector<ClusterRecord> cluster;
  if (const Status added = add(**pair, cluster); !added) return added;
  loaded.records.cluster = std::move(cluster.front());
  return {};
}

Status load_requests(Store& store, Loaded& loaded) {
  std::vector<KeptRequest> kept;
  const Status added = add_all(store, keys::kRequests, kept);
  for (KeptRequest& request : kept) loaded.requests.push_back({request.began, std::move(request.id)});
  return added;
}

template <class Map, class Id>
const auto* find(const Map& map, const Id& id) {
  const auto found = map.find(id);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

Result<Loaded> load(Store& store) {
  Loaded loaded;
  Status status = load_cluster(store, loaded);
  if (status) status = load_term(store, loaded.term);
  if (status) status = load_marker(store, loaded);
  if (status) status = add_all(store, keys::kHosts, loaded.records.hosts);
  if (status) status = add_all(store, keys::kVms, loaded.records.vms);
  if (status) status = add_all(store, keys::kIncidents, loaded.records.incidents);
  if (status) status = add_all(store, keys::kPlans, loaded.records.plans);
  if (status) status = add_all(store, keys::kTenants, loaded.records.tenants);
  if (status) status = add_all(store, keys::kAccess, loaded.records.access);
  if (status) status = add_all(store, keys::kUsers, loaded.records.users);
  if (status) status = add_all(store, keys::kTokens, loaded.records.tokens);
  if (status) status = add_all(store, keys::kImages, loaded.records.images);
  if (status) status = load_requests(store, loaded);
  if (!status) return failure(status.error());
  return loaded;
}

std::optional<std::string> encode_record(const State& state, const std::string& key) {
  const auto rest = [&key](std::string_view prefix) { return key.substr(prefix.size()); };
  if (key == keys::kCluster) return json::encode_text(state.cluster);
  if (key.starts_with(keys::kHosts)) {
    const Host* host = find(state.hosts, HostId(rest(keys::kHosts)));
    if (host) return json::encode_text(host->record);
  } else if (key.starts_with(keys::kVms)) {
    const Vm* vm = find(state.vms, VmId(rest(keys::kVms)));
    if (vm) return json::encode_text(vm->record);
  } else if (key.starts_with(keys::kIncidents)) {
    const Incident* incident = find(state.incidents, IncidentId(rest(keys::kIncidents)));
    if (incident) return json::encode_text(*incident);
  } else if (key.starts_with(keys::kPlans)) {
    const FailbackPlan* plan = find(state.plans, PlanId(rest(keys::kPlans)));
    if (plan) return json::encode_text(*plan);
  } else if (key.starts_with(keys::kTenants)) {
    const Tenant* tenant = find(state.directory.tenants, TenantId(rest(keys::kTenants)));
    if (tenant) return json::encode_text(*tenant);
  } else if (key.starts_with(keys::kAccess)) {
    const AccessSession* access = find(state.directory.access, AccessId(rest(keys::kAccess)));
    if (access) return json::encode_text(*access);
  } else if (key.starts_with(keys::kUsers)) {
    const TenantUser* user = find(state.directory.users, OperatorId(rest(keys::kUsers)));
    if (user) return json::encode_text(*user);
  } else if (key.starts_with(keys::kImages)) {
    const TenantImage* image = find(state.directory.images, ImageId(rest(keys::kImages)));
    if (image) return json::encode_text(*image);
  } else if (key.starts_with(keys::kTokens)) {
    const Token* token = find(state.directory.tokens, TokenId(rest(keys::kTokens)));
    if (token) return json::encode_text(*token);
  }
  return std::nullopt;
}

KeyValue pair_of(const HostRecord& record) { return {keys::host(record.id), json::encode_text(record)}; }
KeyValue pair_of(const VmRecord& record) { return {keys::vm(record.spec.id), json::encode_text(record)}; }
std::string encode_text_of(const ClusterRecord& record) { return json::encode_text(record); }
std::string encode_text_of(const CommitMarker& marker) { return json::encode_text(marker); }
std::string encode_text_of(const KeptRequest& record) { return json::encode_text(record); }
std::string encode_text_of(const OutboxRecord& record) { return json::encode_text(record); }

Result<CommitMarker> decode_marker(std::string_view text) {
  Result<CommitMarker> marker = json::decode_text<CommitMarker>(text, json::Unknown::tolerate);
  if (!marker) return failure(damaged(std::string(keys::kMarker), marker.error()));
  return marker;
}

Result<OutboxRecord> decode_outbox(std::string_view text) {
  return json::decode_text<OutboxRecord>(text, json::Unknown::tolerate);
}

}  // namespace bascule
