#include "failover/storage_servers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bascule {
namespace {

constexpr Duration kWordHolds = 15s;  // hosts repeat it every 5 s

std::string daemons_up(const wire::StorageServer& server) {
  std::string listed;
  for (const std::string& daemon : server.daemons)
    if (std::find(server.down.begin(), server.down.end(), daemon) == server.down.end())
      listed += (listed.empty() ? "" : ", ") + daemon;
  return listed;
}

bool is_fresh(const Turn& turn, const StorageWord& word) { return turn.now - word.at <= kWordHolds; }

}  // namespace

void on_storage_told(Turn& turn, const Host& from, const std::vector<wire::StorageServer>& servers) {
  for (auto& [id, host] : turn.state.hosts) {
    if (host.record.site != from.record.site) continue;
    const auto told = std::find_if(servers.begin(), servers.end(),
                                   [&id](const wire::StorageServer& server) { return server.host == id; });
    const bool carries = told != servers.end();
    host.live.storage = carries ? std::optional(StorageWord{*told, turn.now}) : std::nullopt;
    if (std::exchange(host.record.carries_storage, carries) != carries) turn.touch(host);
  }
}

std::string why_storage_needs(const Turn& turn, const Host& host) {
  const auto& word = host.live.storage;
  if (!word && host.record.carries_storage && turn.now - turn.state.started <= kWordHolds)
    return "whether the storage needs its daemons isn't known yet";  // a new manager
  if (!word || !is_fresh(turn, *word) || word->server.why_not.empty()) return "";
  return fmt::format("the storage of {} needs its {}: {}", host.record.site.value, daemons_up(word->server),
                     word->server.why_not);
}

std::string why_not_off(const Turn& turn, const Host& host) {
  const auto& word = host.live.storage;
  if (word && is_fresh(turn, *word)) return why_storage_needs(turn, host);
  if (!host.record.carries_storage || (word && daemons_up(word->server).empty())) return "";
  return fmt::format("it carries storage, and no host of {} reaches that to ask whether it can do without",
                     host.record.site.value);
}

void tell_kept(Turn& turn) {
  std::vector<HostId> kept;
  for (const auto& [id, host] : turn.state.hosts)
    if (host.record.quarantined && host.record.quarantine_reason == Reason::requested) kept.push_back(id);
  if (kept == turn.state.kept) return;
  turn.state.kept = kept;
  turn.actions.push_back(KeepStorage{std::move(kept)});
}

}  // namespace bascule
