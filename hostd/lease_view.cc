#include "hostd/lease_view.h"

#include "base/durable_file.h"
#include "base/json.h"

namespace bascule::hostd {
namespace {
constexpr Duration kStale = 5s;
constexpr std::size_t kLargestLease = 64 * 1024;
}  // namespace

ReadLease lease_reader(const std::string& path) {
  return [path]() -> Result<wire::LeaseFile> {
    const Result<std::string> text = read_whole(path, kLargestLease);
    if (!text) return failure(text.error());
    return json::decode_text<wire::LeaseFile>(*text, json::Unknown::tolerate);
  };
}

wire::GuardStatus guard_status(const Result<wire::LeaseFile>& lease, const BootId& boot, Duration now) {
  wire::GuardStatus status;
  if (!lease) {
    status.problem = "no lease file: " + lease.error().message;
    return status;
  }
  status.mode = lease->mode;
  status.problem = lease->problem;
  if (lease->boot_id != boot) {
    status.problem = "the lease file is of another boot: bascule-guard has not started";
  } else if (now > lease->written + kStale) {
    status.problem = "bascule-guard has not renewed its lease file for " +
                     std::to_string((now - lease->written) / 1s) + " s: it doesn't run";
  } else {
    status.running = true;
    status.watchdog_armed = lease->watchdog_armed;
  }
  return status;
}

Status lease_allows_start(const Result<wire::LeaseFile>& lease, const BootId& boot, Duration now) {
  // Without a file there has been no grant in mode stop, so no lapse of it can be counted as evidence.
  if (!lease && lease.error().code == ErrorCode::not_found) return {};
  if (!lease) return failure(lease.error().within("reading the lease"));
  if (lease->mode == LeaseMode::keep) return {};
  if (lease->boot_id != boot)
    return failure(ErrorCode::unavailable,
                   "the lease is of another boot; wait until bascule-guard renews it");
  if (!lease->held || now >= lease->stop_at)
    return failure(ErrorCode::unavailable, "this host holds no lease, and its mode is stop");
  return {};
}

}  // namespace bascule::hostd
