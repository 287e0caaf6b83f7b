#include "hostd/ceph_image.h"

#include <algorithm>
#include <charconv>
#include <list>
#include <rados/librados.hpp>
#include <rbd/librbd.hpp>
#include <vector>

#include "base/log.h"
#include "hostd/ceph_point.h"

namespace bascule::hostd {
namespace {

constexpr int kTagsRead = 64;
constexpr int kMostUncopied = 3;  // rbd_mirroring_max_mirroring_snapshots

int read_mirroring(librbd::Image& image, ImageState& state) {
  librbd::mirror_image_info_t info;
  if (const int r = image.mirror_image_get_info(&info, sizeof info); r < 0) return r;
  if (info.state == RBD_MIRROR_IMAGE_DISABLED) return 0;
  state.role = info.primary ? ImageRole::primary : ImageRole::replica;
  librbd::mirror_image_global_status_t status;
  const int r = image.mirror_image_get_global_status(&status, sizeof status);
  if (r < 0 && r != -ENOENT) return r;
  if (r == -ENOENT) {
    state.problem = "no rbd-mirror daemon says how it is";
    return 0;
  }
  for (const auto& site : status.site_statuses) {
    if (!site.mirror_uuid.empty()) continue;  // what other sites say of theirs
    state.following = site.up && site.state == MIRROR_IMAGE_STATUS_STATE_REPLAYING;
    if (!state.following) state.problem = site.description;
  }
  return 0;
}

// Where librbd has no snapshot of the other cluster to name (CEPH_NOSNAP): it made one of what was here, to
// promote by force.
constexpr std::uint64_t kNoSnapshot = static_cast<std::uint64_t>(-2);

SnapshotKind kind_of(librbd::Image& image, const librbd::snap_info_t& snapshot, WallTime at) {
  SnapshotKind kind;
  kind.id = snapshot.id;
  kind.name = snapshot.name;
  kind.at = at;
  librbd::snap_mirror_namespace_t mirror;
  if (image.snap_get_mirror_namespace(snapshot.id, &mirror, sizeof mirror) < 0) return kind;
  kind.of = SnapshotKind::Of::mirroring;
  kind.complete = mirror.complete;
  kind.own =
      mirror.state == RBD_SNAP_MIRROR_STATE_PRIMARY || mirror.state == RBD_SNAP_MIRROR_STATE_PRIMARY_DEMOTED;
  kind.demotion = mirror.state == RBD_SNAP_MIRROR_STATE_PRIMARY_DEMOTED ||
                  mirror.state == RBD_SNAP_MIRROR_STATE_NON_PRIMARY_DEMOTED;
  kind.needed = kind.own && !mirror.mirror_peer_uuids.empty();
  kind.orphan = mirror.primary_snap_id == kNoSnapshot && mirror.state == RBD_SNAP_MIRROR_STATE_NON_PRIMARY;
  kind.primary_snapshot = kind.own ? snapshot.id : mirror.primary_snap_id;
  return kind;
}

void note_point(ImageState& state, const SnapshotKind& point) {
  state.newest = MirrorPoint{point.primary_snapshot, point.at, point.own, point.demotion};
  if (!point.own) state.arrived = Arrival{point.at, point.demotion};
  if (point.own && point.demotion) state.arrived.reset();
}

struct DatedSnapshot {
  librbd::snap_info_t snapshot;
  WallTime at;
};

// Oldest first. All times are read before anything else is asked: librbd (16.2) asserts, and ends the
// process, when asked for the time of a snapshot that it no longer lists, and any other question may renew
// its list.
int dated_snapshots(librbd::Image& image, std::vector<DatedSnapshot>& dated) {
  std::vector<librbd::snap_info_t> snapshots;
  if (const int r = image.snap_list(snapshots); r < 0) return r;
  for (auto& snapshot : snapshots) {
    timespec taken{};
    if (const int r = image.snap_get_timestamp(snapshot.id, &taken); r < 0) return r;
    dated.push_back({std::move(snapshot), WallTime{taken.tv_sec * 1000LL + taken.tv_nsec / 1'000'000}});
  }
  return 0;
}

int read_points(librbd::Image& image, ImageState& state) {
  std::vector<DatedSnapshot> snapshots;
  std::vector<SnapshotKind> kinds;
  if (const int r = dated_snapshots(image, snapshots); r < 0) return r;
  for (const auto& [snapshot, at] : snapshots) {
    librbd::snap_namespace_type_t type = RBD_SNAP_NAMESPACE_TYPE_USER;
    if (image.snap_get_namespace_type(snapshot.id, &type) < 0) continue;  // removed meanwhile
    if (type == RBD_SNAP_NAMESPACE_TYPE_USER) state.snapshots.push_back({snapshot.name, at});
    if (type != RBD_SNAP_NAMESPACE_TYPE_USER && type != RBD_SNAP_NAMESPACE_TYPE_MIRROR) continue;
    kinds.push_back(kind_of(image, snapshot, at));
    const SnapshotKind& kind = kinds.back();
    if (kind.of == SnapshotKind::Of::mirroring && kind.complete && !kind.orphan) note_point(state, kind);
    if (kind.needed) ++state.uncopied;
  }
  if (state.role == ImageRole::replica) state.unfinished = unfinished_of(kinds);
  return 0;
}

int read_tags(librbd::Image& image, ImageState& state) {
  std::map<std::string, ceph::bufferlist> found;
  if (const int r = image.metadata_list("bascule.", kTagsRead, &found); r < 0) return r;
  for (auto& [key, value] : found)
    if (key.starts_with("bascule.")) state.tags[key] = value.to_str();
  return 0;
}

// What came from the other cluster was taken at the latest when its copying began, `copied`; the tag
// that came along knows better, unless it is already of the next point, whose copying isn't quite over.
WallTime taken_at(const ImageState& state, WallTime copied) {
  const auto tag = state.tags.find(kPointTag);
  if (tag == state.tags.end()) return copied;
  std::int64_t told = 0;
  const char* const end = tag->second.data() + tag->second.size();
  const auto parsed = std::from_chars(tag->second.data(), end, told);
  const bool usable = parsed.ec == std::errc() && parsed.ptr == end && told <= copied.unix_ms;
  return usable ? WallTime{told} : copied;
}

constexpr std::uint64_t kFeatures = RBD_FEATURE_LAYERING | RBD_FEATURE_EXCLUSIVE_LOCK |
                                    RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_FAST_DIFF | RBD_FEATURE_DEEP_FLATTEN;

int make_blank(librbd::RBD& rbd, librados::IoCtx& pool, const NewImage& image, const char* name) {
  int order = 22;  // objects of 4 MiB
  return rbd.create2(pool, name, image.bytes, kFeatures, &order);
}

int make_clone(librbd::RBD& rbd, librados::IoCtx& pool, const NewImage& image, const char* name) {
  librbd::ImageOptions options;
  options.set(RBD_IMAGE_OPTION_FEATURES, kFeatures);
  return rbd.clone3(pool, image.template_name.c_str(), kTemplateSnapshot, pool, name, options);
}

int complete(librbd::RBD& rbd, librados::IoCtx& pool, const NewImage& image) {
  librbd::Image made;
  std::uint64_t size = 0;
  int r = rbd.open(pool, made, image.name.c_str());
  if (r >= 0) r = made.size(&size);
  if (r >= 0 && size < image.bytes) r = made.resize(image.bytes);
  if (r >= 0 && !image.template_name.empty()) {  // a clone inherits its parent's
    r = made.metadata_remove(kTemplateTag);
    if (r == -ENOENT) r = 0;
  }
  if (r >= 0) r = write_tags(made, image.tags);
  if (r >= 0 && image.mirrored) r = made.mirror_image_enable2(RBD_MIRROR_IMAGE_MODE_SNAPSHOT);
  return r;
}

// Removes what a crash left of this image, as `mark` tells; -EEXIST where the name has an image of
// somebody's.
int clear_the_way(librbd::RBD& rbd, librados::IoCtx& pool, const std::string& name, const std::string& mark) {
  std::uint64_t size = 0, used = 0;
  time_t changed = 0;
  const int marked = pool.stat(mark, &size, &changed);
  if (marked == -ENOENT) {
    const int there = pool.stat("rbd_id." + name, &size, &changed);
    return there == -ENOENT ? 0 : there < 0 ? there : -EEXIST;
  }
  if (marked < 0) return marked;
  {
    librbd::Image left;
    int r = rbd.open_read_only(pool, left, name.c_str(), nullptr);
    if (r == -ENOENT) return 0;
    if (r >= 0) r = used_bytes(left, used);
    if (r < 0) return r;
  }
  return used > 0 ? -EEXIST : rbd.remove(pool, name.c_str());  // what has data isn't what a crash left
}

struct Extent {
  std::uint64_t from = 0;
  std::uint64_t length = 0;
};
constexpr std::uint64_t kCopied = 4 << 20;  // at once

// Zeros where there was nothing.
int write_as_then(librbd::Image& image, librbd::Image& then, std::uint64_t size_then, const Extent& extent) {
  ceph::bufferlist content;
  const std::uint64_t there = std::min(extent.length, size_then - std::min(size_then, extent.from));
  if (there > 0)
    if (const ssize_t n = then.read(extent.from, there, content); n < 0) return static_cast<int>(n);
  if (content.length() < extent.length) content.append_zero(extent.length - content.length());
  const ssize_t n = image.write(extent.from, extent.length, content);
  return n < 0 ? static_cast<int>(n) : 0;
}

}  // namespace

// An object of its name beside it tells, as long as it is there, that the image is a half one. (To rename a
// complete one would take longer than all the rest.)
int make_image(librbd::RBD& rbd, librados::IoCtx& pool, const NewImage& image) {
  const std::string mark = "bascule.making." + image.name;
  ceph::bufferlist content;
  content.append("1");
  int r = clear_the_way(rbd, pool, image.name, mark);
  if (r >= 0) r = pool.write_full(mark, content);
  if (r < 0) return r;
  const auto make = image.template_name.empty() ? make_blank : make_clone;
  r = make(rbd, pool, image, image.name.c_str());
  const bool made = r >= 0;
  if (made) r = complete(rbd, pool, image);
  if (r < 0 && made)
    if (const int gone = rbd.remove(pool, image.name.c_str()); gone < 0) return r;  // the mark stays
  const int whole = pool.remove(mark);
  return r < 0 ? r : whole;
}

int read_image(librbd::Image& image, ImageState& state) {
  if (const int r = image.size(&state.size_bytes); r < 0) return r;
  if (const int r = read_mirroring(image, state); r < 0) return r;
  if (const int r = read_points(image, state); r < 0) return r;
  if (const int r = read_tags(image, state); r < 0) return r;
  if (state.newest && !state.newest->own) state.newest->at = taken_at(state, state.newest->at);
  if (state.arrived) state.arrived->until = taken_at(state, state.arrived->until);
  return 0;
}

int used_bytes(librbd::Image& image, std::uint64_t& bytes) {
  std::uint64_t size = 0;
  if (const int r = image.size(&size); r < 0) return r;
  bytes = 0;
  const auto add = [](std::uint64_t, std::size_t length, int exists, void* sum) {
    if (exists != 0) *static_cast<std::uint64_t*>(sum) += length;
    return 0;
  };
  return image.diff_iterate2(nullptr, 0, size, false, true, add, &bytes);
}

std::set<std::string> mirror_daemons(librados::IoCtx& pool) {
  std::set<std::string> addresses;
  for (const char* object : {"rbd_mirroring", "rbd_mirror_leader"}) {
    std::list<obj_watch_t> watchers;
    if (pool.list_watchers(object, &watchers) < 0) continue;
    for (const obj_watch_t& watcher : watchers) addresses.insert(watcher.addr);
  }
  return addresses;
}

int clients_of(librbd::Image& image, std::uint64_t but, std::set<std::string>& addresses) {
  std::list<librbd::image_watcher_t> watchers;
  if (const int r = image.list_watchers(watchers); r < 0) return r;
  for (const auto& watcher : watchers)
    if (static_cast<std::uint64_t>(watcher.id) != but) addresses.insert(watcher.addr);
  std::list<librbd::locker_t> lockers;
  bool exclusive = false;
  std::string tag;
  if (const int r = image.list_lockers(&lockers, &exclusive, &tag); r < 0 && r != -ENOENT) return r;
  const std::string ours = "client." + std::to_string(but);
  for (const auto& locker : lockers)
    if (locker.client != ours) addresses.insert(locker.address);
  return 0;
}

int check_room_for_point(librbd::Image& image) {
  ImageState state;
  if (const int r = read_points(image, state); r < 0) return r;
  return state.uncopied >= kMostUncopied ? -EBUSY : 0;
}

int write_what_is_there(librbd::Image& image) {
  if (const int r = image.lock_acquire(RBD_LOCK_MODE_EXCLUSIVE); r < 0) return r;
  ceph::bufferlist block;
  if (const ssize_t n = image.read(0, 512, block); n < 0) return static_cast<int>(n);
  if (const ssize_t n = image.write(0, block.length(), block); n < 0) return static_cast<int>(n);
  return image.flush();
}

bool promoted_in_part(librbd::Image& image) {
  std::uint64_t features = 0;
  librbd::mirror_image_info_t mirror;
  if (image.features(&features) < 0 || (features & RBD_FEATURE_NON_PRIMARY) == 0) return false;
  return image.mirror_image_get_info(&mirror, sizeof mirror) >= 0 && mirror.primary;
}

// Only a demotion makes librbd go through all of a promotion again.
int promote_anew(librados::IoCtx& pool, librbd::Image& image) {
  std::string name;
  image.get_name(&name);
  log(LogLevel::warning, "ceph", "promoted_anew", {{"image", name}});
  const int r = demote_image(pool, image);
  return r < 0 ? r : image.mirror_image_promote(false);
}

void break_lock(librbd::Image& image) {
  rbd_lock_mode_t mode = RBD_LOCK_MODE_EXCLUSIVE;
  std::list<std::string> owners;
  if (image.lock_get_owners(&mode, &owners) < 0) return;
  for (const std::string& owner : owners) {
    log(LogLevel::warning, "ceph", "lock_broken", {{"owner", owner}});
    image.lock_break(RBD_LOCK_MODE_EXCLUSIVE, owner);
  }
}

int remove_snapshots(librbd::RBD& rbd, librados::IoCtx& pool, const std::string& name) {
  librbd::Image image;
  ImageState state;
  int r = rbd.open(pool, image, name.c_str());
  if (r >= 0) r = read_image(image, state);
  for (const ImageSnapshot& snapshot : state.snapshots)
    if (r >= 0) r = image.snap_remove(snapshot.name.c_str());
  return r;
}

int repair_image(librbd::Image& image, const std::vector<std::string>& snapshots) {
  for (const std::string& snapshot : snapshots)
    if (const int r = image.snap_remove(snapshot.c_str()); r < 0 && r != -ENOENT) return r;
  std::uint64_t flags = 0;
  if (const int r = image.get_flags(&flags); r < 0) return r;
  if ((flags & RBD_FLAG_OBJECT_MAP_INVALID) == 0) return 0;
  struct Silent final : librbd::ProgressContext {
    int update_progress(std::uint64_t, std::uint64_t) override { return 0; }
  } silent;
  return image.rebuild_object_map(silent);
}

int roll_back_image(librbd::Image& image, librbd::Image& then, const std::string& snapshot) {
  std::uint64_t size = 0, size_then = 0;
  int r = image.size(&size);
  if (r >= 0) r = then.size(&size_then);
  std::vector<Extent> changed;
  const auto note = [](std::uint64_t from, std::size_t length, int, void* extents) {
    static_cast<std::vector<Extent>*>(extents)->push_back({from, length});
    return 0;
  };
  // Not by whole objects: that would trust the object maps.
  if (r >= 0) r = image.diff_iterate2(snapshot.c_str(), 0, size, true, false, note, &changed);
  for (const Extent& extent : changed)
    for (std::uint64_t at = extent.from; at < extent.from + extent.length && r >= 0; at += kCopied)
      r = write_as_then(image, then, size_then, {at, std::min(kCopied, extent.from + extent.length - at)});
  return r < 0 ? r : image.flush();
}

int write_tags(librbd::Image& image, const std::map<std::string, std::string>& tags) {
  for (const auto& [key, value] : tags)
    if (const int r = image.metadata_set(key, value); r < 0) return r;
  return 0;
}

}  // namespace bascule::hostd
