#include "hostd/ceph_image.h"

#include <list>
#include <rados/librados.hpp>
#include <rbd/librbd.hpp>
#include <vector>

namespace bascule::hostd {
namespace {

constexpr int kTagsRead = 64;

int read_mirroring(librbd::Image& image, ImageState& state) {
  librbd::mirror_image_global_status_t status;
  const int r = image.mirror_image_get_global_status(&status, sizeof status);
  if (r == -ENOENT || r == -EINVAL) return 0;  // neither the image nor its pool is mirrored
  if (r < 0) return r;
  if (status.info.state != RBD_MIRROR_IMAGE_ENABLED) return 0;
  state.role = status.info.primary ? ImageRole::primary : ImageRole::replica;
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

void note_point(ImageState& state, const librbd::snap_mirror_namespace_t& mirror, std::uint64_t id,
                WallTime at) {
  if (mirror.primary_snap_id == kNoSnapshot && mirror.state == RBD_SNAP_MIRROR_STATE_NON_PRIMARY) return;
  const bool own =
      mirror.state == RBD_SNAP_MIRROR_STATE_PRIMARY || mirror.state == RBD_SNAP_MIRROR_STATE_PRIMARY_DEMOTED;
  const bool demotion = mirror.state == RBD_SNAP_MIRROR_STATE_PRIMARY_DEMOTED ||
                        mirror.state == RBD_SNAP_MIRROR_STATE_NON_PRIMARY_DEMOTED;
  state.newest = MirrorPoint{own ? id : mirror.primary_snap_id, at, own, demotion};
  if (!own) state.arrived = Arrival{at, demotion};
  if (own && demotion) state.arrived.reset();
}

int read_points(librbd::Image& image, ImageState& state) {
  std::vector<librbd::snap_info_t> snapshots;
  if (const int r = image.snap_list(snapshots); r < 0) return r;
  for (const auto& snapshot : snapshots) {  // oldest first
    timespec taken{};
    librbd::snap_namespace_type_t type = RBD_SNAP_NAMESPACE_TYPE_USER;
    if (image.snap_get_timestamp(snapshot.id, &taken) < 0) continue;  // removed meanwhile
    if (image.snap_get_namespace_type(snapshot.id, &type) < 0) continue;
    const WallTime at{taken.tv_sec * 1000LL + taken.tv_nsec / 1'000'000};
    if (type == RBD_SNAP_NAMESPACE_TYPE_USER) state.snapshots.push_back({snapshot.name, at});
    if (type != RBD_SNAP_NAMESPACE_TYPE_MIRROR) continue;
    librbd::snap_mirror_namespace_t mirror;
    if (image.snap_get_mirror_namespace(snapshot.id, &mirror, sizeof mirror) < 0) continue;
    if (mirror.complete) note_point(state, mirror, snapshot.id, at);
  }
  return 0;
}

int read_tags(librbd::Image& image, ImageState& state) {
  std::map<std::string, ceph::bufferlist> found;
  if (const int r = image.metadata_list("bascule.", kTagsRead, &found); r < 0) return r;
  for (auto& [key, value] : found)
    if (key.starts_with("bascule.")) state.tags[key] = value.to_str();
  return 0;
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

int complete(librbd::RBD& rbd, librados::IoCtx& pool, const NewImage& image, const char* name) {
  librbd::Image made;
  std::uint64_t size = 0;
  int r = rbd.open(pool, made, name);
  if (r >= 0) r = made.size(&size);
  if (r >= 0 && size < image.bytes) r = made.resize(image.bytes);
  if (r >= 0) r = made.metadata_remove(kTemplateTag);  // a clone inherits its parent's
  if (r == -ENOENT) r = 0;
  if (r >= 0) r = write_tags(made, image.tags);
  return r;
}

}  // namespace

// Made under a name that no volume can have, and renamed when complete: a crash leaves no half image under
// its name.
int make_image(librbd::RBD& rbd, librados::IoCtx& pool, const NewImage& image) {
  const std::string unfinished = "." + image.name + ".unfinished";
  rbd.remove(pool, unfinished.c_str());
  int r = image.template_name.empty() ? make_blank(rbd, pool, image, unfinished.c_str())
                                      : make_clone(rbd, pool, image, unfinished.c_str());
  if (r >= 0) r = complete(rbd, pool, image, unfinished.c_str());
  if (r >= 0) r = rbd.rename(pool, unfinished.c_str(), image.name.c_str());
  if (r < 0) rbd.remove(pool, unfinished.c_str());
  return r;
}

int read_image(librbd::Image& image, ImageState& state) {
  if (const int r = image.size(&state.size_bytes); r < 0) return r;
  if (const int r = read_mirroring(image, state); r < 0) return r;
  if (const int r = read_points(image, state); r < 0) return r;
  return read_tags(image, state);
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

int clients_of(librbd::Image& image, std::set<std::string>& addresses) {
  std::list<librbd::image_watcher_t> watchers;
  if (const int r = image.list_watchers(watchers); r < 0) return r;
  for (const auto& watcher : watchers) addresses.insert(watcher.addr);
  std::list<librbd::locker_t> lockers;
  bool exclusive = false;
  std::string tag;
  if (const int r = image.list_lockers(&lockers, &exclusive, &tag); r < 0 && r != -ENOENT) return r;
  for (const auto& locker : lockers) addresses.insert(locker.address);
  return 0;
}

int write_tags(librbd::Image& image, const std::map<std::string, std::string>& tags) {
  for (const auto& [key, value] : tags)
    if (const int r = image.metadata_set(key, value); r < 0) return r;
  return 0;
}

}  // namespace bascule::hostd
