// The volumes of an RBD pool that guests of this host have open: points for the other site, and how each is,
// at both.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "hostd/rbd_takeover.h"
#include "hostd/storage.h"
#include "hostd/storage_rbd.h"
#include "hostd/write_history.h"

namespace bascule::hostd {

// All members may be called from any thread; tend() and look_at_copies() block on the storage.
class VolumesInUse {
 public:
  // All must outlive it; `remote` may be null.
  VolumesInUse(std::string pool, const RbdPoolConfig& config, Ceph& local, Ceph* remote,
               RbdTakeover& takeover, const Clock& clock);

  // Looks at it when that is due, or `tending` asks for it, and takes its next point when that is due; else
  // tells what the last look found.
  wire::VolumeSeen tend(const std::string& volume, const Tending& tending);
  void forget(const std::string& volume);  // nobody here uses it any more

  void look_at_copies();
  std::string too_few_copies() const;  // why this site's cluster has fewer than promised; empty: it hasn't

 private:
  struct Volume {
    std::optional<wire::VolumeSeen> seen;
    Instant seen_at;
    std::optional<Instant> point_at;     // when the last was taken
    std::optional<Instant> measured_at;  // what it uses
    std::optional<std::uint64_t> used_mib;
    std::vector<wire::SnapshotSeen> kept;
    WriteHistory written;
    std::optional<WallTime> complete_until;  // what the other site had when it was asked last
  };
  std::optional<wire::VolumeSeen> seen_lately(const std::string& volume);
  wire::VolumeSeen look_at(const std::string& volume, Generation generation);
  void take_point_if_due(const std::string& volume, wire::VolumeSeen& seen);
  void look_there(const std::string& volume, Generation ours, wire::VolumeSeen& seen);
  bool ask_there(const std::string& volume, Generation ours, wire::VolumeSeen& seen);
  bool measure(const std::string& volume, wire::VolumeSeen& seen);
  Result<std::vector<wire::SnapshotSeen>> kept_of(const std::string& volume);

  const std::string pool_;
  const Duration point_every_;
  const unsigned promised_copies_;
  Ceph& local_;
  Ceph* const remote_;
  RbdTakeover& takeover_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::optional<wire::ClusterCopies> copies_here_;
  std::optional<wire::ClusterCopies> copies_there_;
  std::map<std::string, Volume> volumes_;
};

}  // namespace bascule::hostd
