#include "hostd/ceph_handle.h"

#include <sstream>

#include "hostd/ceph_error.h"

namespace bascule::hostd {
namespace {

// Operation timeouts alone never heal: the objecter looks for a dead OSD again only after its own timeout.
constexpr const char* kOptions[][2] = {{"client_mount_timeout", "3"},    {"rados_mon_op_timeout", "3"},
                                       {"rados_osd_op_timeout", "3"},    {"objecter_timeout", "2"},
                                       {"objecter_tick_interval", "1"},  {"rbd_cache", "false"},
                                       {"rbd_default_clone_format", "2"}};

// Of an answer; some monitors append an empty list to a full one.
Result<nlohmann::json> first_value(const std::string& text) {
  std::istringstream stream(text);
  nlohmann::json value;
  try {
    if (!text.empty()) stream >> value;
  } catch (const nlohmann::json::exception& problem) {
    return failure(ErrorCode::internal, std::string("Ceph's answer is no JSON: ") + problem.what());
  }
  return value;
}

}  // namespace

Ceph::Handle::~Handle() {
  pool.close();
  if (connected) cluster.shutdown();
}

Result<std::shared_ptr<Ceph::Handle>> Ceph::Handle::connect(const CephAddress& address) {
  auto made = std::make_shared<Handle>();
  const std::string what = "connecting to Ceph by " + address.conf;
  if (const int r = made->cluster.init(address.user.c_str()); r < 0) return failure(error_of(r, what));
  if (const int r = made->cluster.conf_read_file(address.conf.c_str()); r < 0)
    return failure(error_of(r, "reading " + address.conf));
  made->cluster.conf_set("keyring", address.keyring.c_str());
  for (const auto& option : kOptions) made->cluster.conf_set(option[0], option[1]);
  if (const int r = made->cluster.connect(); r < 0) return failure(error_of(r, what));
  made->connected = true;
  if (const int r = made->cluster.ioctx_create(address.pool.c_str(), made->pool); r < 0)
    return failure(error_of(r, "Ceph pool " + address.pool));
  made->pool.set_pool_full_try();  // a full pool is an error, not a wait; what frees space is carried out
  return made;
}

Result<nlohmann::json> Ceph::Handle::command(const nlohmann::json& request) {
  ceph::bufferlist in, out;
  std::string words;
  const std::string what = "ceph " + request.value("prefix", "");
  const int r = cluster.mon_command(request.dump(), in, &out, &words);
  if (r < 0) return failure(error_of(r, words.empty() ? what : what + ": " + words));
  return first_value(out.to_str());
}

}  // namespace bascule::hostd
