// How a mirrored volume gets to this site for a start: cleanly, with all that the other site wrote, or else
// by force, with what had arrived. For RbdPool, on the thread of its call.
#pragma once

#include <optional>
#include <string>

#include "hostd/ceph.h"
#include "hostd/storage.h"
#include "hostd/volume_tags.h"

namespace bascule::hostd {

// The cephx client of one generation of a VM.
std::string client_of(const VmId& vm, std::uint64_t generation);
// Whoever has the image open, and the clients of earlier generations, so that they can't open it again.
Status fence_clients(Ceph& cluster, const std::string& volume, const Taking& taking);

class RbdTakeover {
 public:
  // `remote`: of the other site, null where none is configured. `point_every`: how often the other site takes
  // a point. All must outlive it.
  RbdTakeover(std::string pool, Ceph& local, Ceph* remote, Duration point_every, const Clock& clock)
      : pool_(std::move(pool)), local_(local), remote_(remote), point_every_(point_every), clock_(clock) {}

  // Afterwards the image may be written here and is the newest; nobody else's is. `taken`: set when it was
  // fetched, by this call or by one for a start that failed since the VM ran last.
  Status bring_here(const std::string& volume, const Taking& taking, std::optional<wire::VolumeTaken>& taken);
  // Once tags tell what the note told.
  void forget_note(const std::string& volume) { local_.remove_object(note_of(volume)); }
  // A take-over that was begun at the other site and never used: its copy may be on a wrong base.
  void heal_there(const std::string& volume, Generation generation);

 private:
  Status check_newest(const std::string& volume, const ImageState& here, const Taking& taking,
                      std::optional<wire::VolumeTaken>& taken);
  Result<std::optional<Arrival>> arrived_since(const std::string& volume, const ImageState& here,
                                               const Taking& taking);
  Status take_cleanly(const std::string& volume, const Taking& taking, Duration bound);
  Result<MirrorPoint> give_up_there(const std::string& volume, const Taking& taking);
  Status take_what_arrived(const std::string& volume, const MirrorPoint& last);
  Status take_by_force(const std::string& volume, const Taking& taking, wire::VolumeTaken& taken);
  Result<TakeoverNote> make_note(const std::string& volume, const ImageState& here, const Taking& taking);

  const std::string pool_;
  Ceph& local_;
  Ceph* const remote_;
  const Duration point_every_;
  const Clock& clock_;
};

}  // namespace bascule::hostd
