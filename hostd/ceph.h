// Ceph: one pool of one Ceph cluster, through librados and librbd, in Bascule's words. Their types stay in
// ceph*.cc.
//
// All members may be called from any thread. Each ends within its bound, whatever the cluster does: 10 s, 60
// s for a promotion and for what waits for other clients, more where it is said. Errors: not_found,
// conflict (its state forbids it), denied (cephx, blocklist), unavailable (the cluster doesn't answer),
// timeout (it may still take effect), exhausted (the pool is full).
//
// Sources: librbd.hpp of Ceph 16.2; docs.ceph.com "RBD Mirroring", "librados".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"
#include "hostd/mirror_point.h"

namespace bascule::hostd {

struct CephAddress {
  std::string conf;     // "/etc/ceph/paris.conf": readable by QEMU too
  std::string user;     // "bascule" for client.bascule
  std::string keyring;  // 0600
  std::string pool;
};

enum class ImageRole {
  plain,    // not mirrored
  primary,  // may be written; the other cluster follows it
  replica,  // follows the other cluster's
};

// What came from the other cluster last, as far as nothing was given back to it since.
struct Arrival {
  WallTime until;    // when that was written, or a little later
  bool all = false;  // it was the other's last word: its demotion arrived
};

struct ImageSnapshot {  // made by somebody, not for mirroring
  std::string name;
  WallTime taken;
};

struct ImageState {
  std::uint64_t size_bytes = 0;
  ImageRole role = ImageRole::plain;
  std::map<std::string, std::string>
      tags;                           // ours: "bascule.vm", "bascule.generation"; they travel to the replica
  std::optional<MirrorPoint> newest;  // the newest complete mirror snapshot
  std::optional<Arrival> arrived;
  int uncopied = 0;                           // points that were taken here and the other cluster still needs
  std::optional<UnfinishedPoint> unfinished;  // of a replica
  std::vector<ImageSnapshot> snapshots;       // oldest first
  bool following = false;                     // of a replica: rbd-mirror copies, and is well
  std::string problem;                        // what rbd-mirror says when it doesn't
};

// How long a removed volume or template, and a copy that was set aside, can be fetched back.
inline constexpr Duration kTrashGrace = 7 * 24h;

// What makes an image a template, and its snapshot that clones refer to.
inline constexpr const char* kTemplateTag = "bascule.template";
inline constexpr const char* kTemplateSnapshot = "template";

// When the newest point was taken, on a primary; it travels with the point.
inline constexpr const char* kPointTag = "bascule.point_at";

struct NewImage {
  std::string name;
  std::uint64_t bytes = 0;
  std::map<std::string, std::string> tags;
  bool mirrored = false;      // in snapshot mode
  std::string template_name;  // of which it begins as a copy-on-write clone; empty: blank
};

class Ceph {
 public:
  explicit Ceph(CephAddress address);
  ~Ceph();

  const CephAddress& address() const { return address_; }
  // As the last look() found it; `unavailable` with the reason. Waits for the first.
  Status ready() const;
  Result<std::string> cluster_id() const;  // its fsid
  // What the monitors answer to a command; both are JSON. They pass on what is for the manager daemon, as its
  // own interface (librados' mgr_command of 16.2) returns a positive number when it gives up, and what is
  // answered later goes to memory that is free by then.
  Result<std::string> ask(const std::string& request) const;
  // Writes and reads the canary object, connecting anew where that helps; asks for the cluster's health every
  // ten looks. For a thread of its own.
  void look();
  // The codes of `ceph health` ("OSD_NEARFULL") that both of its last two answers had: see ceph_health.h.
  std::vector<std::string> warnings() const;

  // ---- Images ----
  Result<ImageState> image(const std::string& name) const;
  // All or nothing.
  Status create(const NewImage& image);
  Result<std::size_t> clones(const std::string& name) const;  // of its snapshots; those in the trash too
  Status mirror(const std::string& name);                     // no error when it is mirrored already
  Status set_tags(const std::string& name, const std::map<std::string, std::string>& tags);
  // Its snapshots are removed at once; the image goes into the trash, from where `rbd trash restore` brings
  // it back within `grace`. No error when there is none.
  Status remove(const std::string& name, Duration grace);
  Status rename(const std::string& name, const std::string& to);
  Status grow(const std::string& name, std::uint64_t bytes);  // no error when it is as large already
  Status take_snapshot(const std::string& name, const std::string& snapshot);
  Status remove_snapshot(const std::string& name, const std::string& snapshot);
  // The image keeps its size. What has changed since then is written anew: 6 h at most.
  Status roll_back(const std::string& name, const std::string& snapshot);
  Result<std::uint64_t> used_bytes(const std::string& name) const;
  Result<std::vector<std::string>> list() const;
  Status purge_trash(WallTime now);  // what has outlived its grace

  // ---- Mirroring ----
  // Both are conflicts while three points wait to be copied. The clock must outlive a call that was given up,
  // too. It is read as late as can be, and noted in the image: so the other cluster knows how old what
  // arrives is.
  Status take_mirror_snapshot(const std::string& name, const Clock& clock);
  Status demote(const std::string& name);
  // Not forced, it is a conflict until the other side's demotion has arrived. Forced, of an image without an
  // unfinished point only: see unfinished_copy.h.
  Status promote(const std::string& name, bool force);
  // Before a promotion by force, of an image whose clients were fenced, rbd-mirror too; and after it, to
  // remove the snapshots that came in part, and to build its object map anew. 10 min at most: every object is
  // looked at.
  Status undo_unfinished(const std::string& name, const UnfinishedPoint& point);
  Status finish_undo(const std::string& name, const std::vector<std::string>& in_part);
  Status copy_anew(const std::string& name);  // a replica, of which nothing is kept
  Status stop_mirroring(const std::string& name);
  // A real write of what is there already, with the exclusive lock. Whoever keeps the lock, after two tries,
  // is blocklisted: call it only where no guest may run. A promotion that returned success may leave an image
  // read-only as long as the local rbd-mirror has the lock.
  Status prove_writable(const std::string& name);

  // ---- Small objects of our own in the pool ----
  Status write_object(const std::string& name, const std::string& text);
  Result<std::string> read_object(const std::string& name) const;  // its first 4 KiB
  Status remove_object(const std::string& name);                   // no error when there is none

  // ---- Fencing ----
  enum class Fenced { guests, everybody };
  // Blocklists whoever has the image open, and reads it back: guests, not the rbd-mirror daemons and this
  // connection; or everybody, this connection too, as a call of ours that was given up may still write.
  Status fence(const std::string& name, Fenced whom);
  // The key of a client of its own ("bascule.<vm>.<generation>"), made if there is none.
  Result<Secret> client_key(const std::string& client);
  Status remove_client(const std::string& client);  // no error when there is none

 private:
  struct Handle;
  template <class T, class Call>
  Result<T> with_handle(Duration bound, const std::string& what, Call call) const;
  template <class Call>
  Status with_image(Duration bound, const std::string& what, const std::string& name, Call call) const;
  std::shared_ptr<Handle> handle() const;
  void look_at_health();

  struct Shared;
  const CephAddress address_;
  const std::unique_ptr<Shared> shared_;
};

}  // namespace bascule::hostd
