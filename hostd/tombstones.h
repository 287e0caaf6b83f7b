// Tombstones: what this host must never forget, in <state_dir>/tombstones.json.
//
// For each VM: the highest generation that is forbidden here for ever, and the generation that the host holds
// (is allowed to run) in this boot. And the newest manager that it obeyed. A change is durable (file and
// folder synced) before it becomes visible; when it can't be written, nothing changes and the error says so.
// Writers wait for the disk; readers never do. All members may be called from any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/wire.h"

namespace bascule::hostd {

struct VmRecord {
  VmId vm;
  Generation forbidden;  // no generation up to this one ever starts here
  Generation held;       // 0: none. Greater than `forbidden`
  BootId boot;           // of `held`: nothing is held over a reboot
};

// Who may command: the newest that was obeyed.
struct Authority {
  Epoch epoch;
  Term term;
  ManagerId manager;
  bool operator==(const Authority&) const = default;
};

class Tombstones {
 public:
  struct Stored;  // the file's shape, in the .cc

  // Makes the file when there is none. A damaged file is `corrupt`: the daemon must not run with less than it
  // knew.
  static Result<std::unique_ptr<Tombstones>> open(const std::string& path, const BootId& boot);

  VmRecord record(const VmId& vm) const;  // zeros when unknown
  std::vector<VmRecord> held() const;
  std::vector<wire::Tombstone> all() const;
  Authority authority() const;
  // What obey() would say, without storing anything.
  Status acceptable(const Authority& authority) const;

  // Accepts an equal or newer authority and stores a newer one. `conflict`: an older epoch or term, another
  // database with the same epoch number, or a second manager in one term.
  Status obey(const Authority& authority);
  // Before a start. `conflict`: the generation is forbidden, or older than the one that is held.
  Status hold(const VmId& vm, Generation generation);
  // The start failed and nothing of it runs: the same generation may be tried again.
  Status release(const VmId& vm, Generation generation);
  // No generation up to this one ever again; drops a hold on one of them.
  Status forbid(const VmId& vm, Generation generation);
  // The VM was deleted from the cluster: drop what is known of it.
  Status forget(const VmId& vm);

 private:
  struct Content {
    Authority authority;
    std::map<VmId, VmRecord> vms;
  };

  Tombstones(std::string path, BootId boot) : path_(std::move(path)), boot_(std::move(boot)) {}
  Status read();
  Status store(Content next);
  template <class Change>
  Status change(Change change);

  const std::string path_;
  const BootId boot_;
  std::mutex writing_;          // held over the disk write
  mutable std::mutex visible_;  // held for moments
  Content content_;
};

}  // namespace bascule::hostd
