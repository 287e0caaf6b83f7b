// A connection to a Ceph cluster and one of its pools. For ceph.cc, on the threads of its calls.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <rados/librados.hpp>
#include <rbd/librbd.hpp>

#include "hostd/ceph.h"

namespace bascule::hostd {

// Closed when the last call that uses it has ended.
struct Ceph::Handle {
  librados::Rados cluster;
  librados::IoCtx pool;
  librbd::RBD rbd;
  bool connected = false;

  ~Handle();
  static Result<std::shared_ptr<Handle>> connect(const CephAddress& address);
  Result<nlohmann::json> command(const nlohmann::json& request);
};

}  // namespace bascule::hostd
