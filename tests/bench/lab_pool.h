// The pool "vms" of a lab's two clusters, as a host of the local one's site sees it.
#pragma once

#include <memory>
#include <string>

#include "hostd/storage_rbd.h"

namespace bascule::hostd {

// `conf` is a cluster's; beside it in `keyrings` is <site>.client.bascule.keyring.
inline CephAddress lab_cluster(const std::string& conf, const std::string& keyrings) {
  const std::string file = conf.substr(conf.rfind('/') + 1);
  const std::string site = file.substr(0, file.rfind('.'));
  return {conf, "bascule", keyrings + "/" + site + ".client.bascule.keyring", "vms"};
}

inline std::unique_ptr<StoragePool> lab_pool(const std::string& local, const std::string& remote,
                                             const std::string& keyrings, const Clock& clock) {
  return make_rbd_pool("bench", {lab_cluster(local, keyrings), lab_cluster(remote, keyrings), 10s}, clock);
}

}  // namespace bascule::hostd
