// What guard.toml says.
#pragma once

#include <string>
#include <vector>

#include "base/net/tls.h"
#include "base/result.h"
#include "hostd/guard/watchdog.h"

namespace bascule::guard {

struct Settings {
  std::string cluster;
  std::string host;
  std::string run_dir = "/run/bascule";
  std::vector<std::string> manager;  // "ip:port" of lease planes, asked in turn
  net::TlsFiles tls;
  WatchdogSettings watchdog;
  bool sysrq =
      true;  // restart the machine through sysrq when guests outlive SIGKILL; never with an emulated watchdog
};
template <class V>
void fields(V& v, Settings& x) {
  v("cluster", x.cluster);
  v("host", x.host);
  v.optional("run_dir", x.run_dir);
  v("manager", x.manager);
  v("tls", x.tls);
  v.optional("watchdog", x.watchdog);
  v.optional("sysrq", x.sysrq);
}

Result<Settings> load_settings(const std::string& path);

}  // namespace bascule::guard
