#include "hostd/ceph_servers.h"

#include <algorithm>
#include <map>

#include "base/json.h"
#include "base/log.h"

namespace bascule::hostd {
namespace {

constexpr const char* kOsd = "osd.";
constexpr const char* kMon = "mon.";
constexpr unsigned kRoundsWithout = 6;  // of which one asks, where none of the hosts carries storage

using Servers = std::map<HostId, wire::StorageServer>;

void add(Servers& servers, const HostId& host, const std::string& daemon, bool up) {
  wire::StorageServer& server = servers[host];
  server.host = host;
  server.daemons.push_back(daemon);
  if (!up) server.down.push_back(daemon);
}

void add_osds(Servers& servers, const json::Value& tree, const std::set<HostId>& hosts) {
  std::map<int, bool> up;
  for (const auto& node : tree.at("nodes"))
    if (node.at("type") == "osd") up[node.at("id").get<int>()] = node.at("status") == "up";
  for (const auto& node : tree.at("nodes")) {
    if (node.at("type") != "host") continue;
    const HostId host(node.at("name").get<std::string>());
    if (!hosts.contains(host)) continue;
    for (const auto& child : node.at("children"))
      if (const auto osd = up.find(child.get<int>()); osd != up.end())
        add(servers, host, kOsd + std::to_string(osd->first), osd->second);
  }
}

void add_monitors(Servers& servers, const json::Value& metadata, const json::Value& quorum,
                  const std::set<HostId>& hosts) {
  const auto& names = quorum.at("quorum_names");
  for (const auto& monitor : metadata) {
    const HostId host(monitor.value("hostname", ""));
    const auto& name = monitor.at("name");
    if (hosts.contains(host))
      add(servers, host, kMon + name.get<std::string>(),
          std::find(names.begin(), names.end(), name) != names.end());
  }
}

// Those of a kind ("osd.") that are up, as commands name them: "3".
std::vector<std::string> ids_up(const wire::StorageServer& server, const std::string& kind) {
  std::vector<std::string> ids;
  for (const std::string& daemon : server.daemons)
    if (daemon.starts_with(kind) &&
        std::find(server.down.begin(), server.down.end(), daemon) == server.down.end())
      ids.push_back(daemon.substr(kind.size()));
  return ids;
}

std::string mark_of(const HostId& host) { return "bascule.noout." + host.value; }

}  // namespace

Result<std::vector<wire::StorageServer>> servers_in(const CephInventory& inventory,
                                                    const std::set<HostId>& hosts) {
  const Result<json::Value> tree = json::parse(inventory.osd_tree);
  const Result<json::Value> metadata = json::parse(inventory.mon_metadata);
  const Result<json::Value> quorum = json::parse(inventory.quorum_status);
  if (!tree) return failure(tree.error().within("osd tree"));
  if (!metadata) return failure(metadata.error().within("mon metadata"));
  if (!quorum) return failure(quorum.error().within("quorum_status"));
  Servers servers;
  try {
    add_osds(servers, *tree, hosts);
    add_monitors(servers, *metadata, *quorum, hosts);
  } catch (const std::exception& problem) {
    return failure(ErrorCode::internal, std::string("Ceph's list of its daemons: ") + problem.what());
  }
  std::vector<wire::StorageServer> found;
  for (auto& [host, server] : servers) found.push_back(std::move(server));
  return found;
}

void CephServers::tell_hosts(std::set<HostId> hosts, std::set<HostId> kept) {
  const std::lock_guard lock(mutex_);
  hosts_ = std::move(hosts);
  kept_ = std::move(kept);
}

std::optional<std::vector<wire::StorageServer>> CephServers::take_news() {
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, std::nullopt);
}

void CephServers::look() {
  std::set<HostId> hosts, kept;
  {
    const std::lock_guard lock(mutex_);
    hosts = hosts_;
    kept = kept_;
  }
  if (hosts.empty() || (!any_ && rounds_++ % kRoundsWithout != 0) || !cluster_.ready()) return;
  Result<std::vector<wire::StorageServer>> found = ask(hosts);
  Status done = found ? Status() : Status(failure(found.error()));
  for (const wire::StorageServer& server : found.value_or(std::vector<wire::StorageServer>()))
    if (const Status flagged = keep(server, kept.contains(server.host)); !flagged) done = flagged;
  const std::string trouble = done ? "" : done.error().message;
  if (trouble != std::exchange(trouble_, trouble) && !done)
    log(LogLevel::warning, "storage", "servers_not_known", {{"why", trouble}});
  if (!found) return;
  const std::lock_guard lock(mutex_);
  if (any_ || !found->empty()) news_ = *found;
  any_ = !found->empty();
}

Result<std::vector<wire::StorageServer>> CephServers::ask(const std::set<HostId>& hosts) {
  CephInventory inventory;
  const std::pair<const char*, std::string*> asked[] = {{"osd tree", &inventory.osd_tree},
                                                        {"mon metadata", &inventory.mon_metadata},
                                                        {"quorum_status", &inventory.quorum_status}};
  for (const auto& [prefix, text] : asked) {
    const json::Value request{{"prefix", prefix}, {"format", "json"}};
    Result<std::string> answer = cluster_.ask(request.dump());
    if (!answer) return failure(answer.error());
    *text = std::move(*answer);
  }
  Result<std::vector<wire::StorageServer>> servers = servers_in(inventory, hosts);
  std::string silent;  // without its manager daemon the cluster doesn't say it of any
  if (servers)
    for (wire::StorageServer& server : *servers) server.why_not = why_not(server, silent);
  return servers;
}

std::string CephServers::why_not(const wire::StorageServer& server, std::string& silent) {
  const std::pair<const char*, const char*> asked[] = {{kOsd, "osd ok-to-stop"}, {kMon, "mon ok-to-stop"}};
  for (const auto& [kind, prefix] : asked) {
    const std::vector<std::string> ids = ids_up(server, kind);
    if (ids.empty()) continue;
    if (!silent.empty()) return silent;
    const json::Value request{{"prefix", prefix}, {"ids", ids}, {"format", "json"}};
    const Result<std::string> answer = cluster_.ask(request.dump());
    if (answer) continue;
    if (answer.error().code == ErrorCode::conflict) return answer.error().message;
    return silent = "nobody says whether they can stop: " + answer.error().message;
  }
  return "";
}

// A flag of an administrator's own is left alone: ours has a mark.
Status CephServers::keep(const wire::StorageServer& server, bool kept) {
  const std::string mark = mark_of(server.host);
  const auto flag = [this, &server](const char* prefix) -> Status {
    const json::Value request{{"prefix", prefix}, {"flags", "noout"}, {"who", {server.host.value}}};
    const Result<std::string> answer = cluster_.ask(request.dump());
    return answer ? Status() : Status(failure(answer.error()));
  };
  if (kept) {
    if (flagged_.contains(server.host)) return {};
    Status done = cluster_.write_object(mark, "1");
    if (done) done = flag("osd set-group");
    if (done) flagged_.insert(server.host);
    return done;
  }
  flagged_.erase(server.host);
  if (!server.down.empty()) return {};  // not back yet
  const Result<std::string> marked = cluster_.read_object(mark);
  if (!marked)
    return marked.error().code == ErrorCode::not_found ? Status() : Status(failure(marked.error()));
  const Status cleared = flag("osd unset-group");
  if (!cleared) return cleared;
  log(LogLevel::info, "storage", "noout_cleared", {{"host", server.host}});
  return cluster_.remove_object(mark);
}

}  // namespace bascule::hostd
