#include "hostd/ceph_copies.h"

#include <algorithm>

#include "base/json.h"

namespace bascule::hostd {

Result<wire::ClusterCopies> copies_in(const std::string& pool_size, const std::string& osd_tree) {
  const Result<json::Value> pool = json::parse(pool_size);
  const Result<json::Value> tree = json::parse(osd_tree);
  if (!pool) return failure(pool.error().within("osd pool get"));
  if (!tree) return failure(tree.error().within("osd tree"));
  wire::ClusterCopies copies;
  try {
    copies.copies = pool->at("size").get<unsigned>();
    for (const auto& node : tree->at("nodes")) {
      if (node.at("type") != "osd") continue;
      ++copies.osds;
      if (node.at("status") != "up") copies.osds_down.push_back(node.at("name").get<std::string>());
    }
  } catch (const std::exception& problem) {
    return failure(ErrorCode::internal, std::string("Ceph's word on its copies: ") + problem.what());
  }
  return copies;
}

Result<wire::ClusterCopies> ask_copies(const Ceph& cluster) {
  const Result<std::string> size = cluster.ask(json::Value{
      {"prefix", "osd pool get"},
      {"pool", cluster.address().pool},
      {"var", "size"},
      {"format", "json"}}.dump());
  if (!size) return failure(size.error());
  const Result<std::string> tree = cluster.ask(R"({"prefix":"osd tree","format":"json"})");
  if (!tree) return failure(tree.error());
  return copies_in(*size, *tree);
}

std::string too_few(const wire::ClusterCopies& copies, unsigned promised) {
  const std::size_t up = copies.osds - std::min<std::size_t>(copies.osds, copies.osds_down.size());
  if (copies.copies < promised)
    return "keeps " + std::to_string(copies.copies) + " of " + std::to_string(promised) +
           " promised copies: see `ceph osd pool set … size`";
  if (up >= promised) return {};
  std::string down;
  for (const std::string& osd : copies.osds_down) down += " " + osd;
  return "has " + std::to_string(up) + " OSDs up for " + std::to_string(promised) +
         " promised copies; down:" + down;
}

}  // namespace bascule::hostd
