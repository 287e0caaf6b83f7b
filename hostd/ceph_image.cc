#include "hostd/ceph_image.h"

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

void note_point(ImageState& state, const librbd::snap_mirror_namespace_t& mirror, std::uint64_t id,
                WallTime at) {
  const bool own =
      mirror.state == RBD_SNAP_MIRROR_STATE_PRIMARY || mirror.state == RBD_SNAP_MIRROR_STATE_PRIMARY_DEMOTED;
  state.newest = MirrorPoint{own ? id : mirror.primary_snap_id, at};
  if (!own) state.arrived = Arrival{at, mirror.state == RBD_SNAP_MIRROR_STATE_NON_PRIMARY_DEMOTED};
  if (mirror.state == RBD_SNAP_MIRROR_STATE_PRIMARY_DEMOTED) state.arrived.reset();
}

int read_points(librbd::Image& image, ImageState& state) {
  std::vector<librbd::snap_info_t> snapshots;
  if (const int r = image.snap_list(snapshots); r < 0) return r;
  for (const auto& snapshot : snapshots) {  // oldest first
    librbd::snap_mirror_namespace_t mirror;
    const int r = image.snap_get_mirror_namespace(snapshot.id, &mirror, sizeof mirror);
    if (r == -EINVAL || r == -ENOENT) continue;  // not one for mirroring, or removed meanwhile
    if (r < 0) return r;
    timespec taken{};
    if (!mirror.complete || image.snap_get_timestamp(snapshot.id, &taken) < 0) continue;
    note_point(state, mirror, snapshot.id, {taken.tv_sec * 1000LL + taken.tv_nsec / 1'000'000});
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

}  // namespace

int read_image(librbd::Image& image, ImageState& state) {
  if (const int r = image.size(&state.size_bytes); r < 0) return r;
  if (const int r = read_mirroring(image, state); r < 0) return r;
  if (const int r = read_points(image, state); r < 0) return r;
  return read_tags(image, state);
}

int write_tags(librbd::Image& image, const std::map<std::string, std::string>& tags) {
  for (const auto& [key, value] : tags)
    if (const int r = image.metadata_set(key, value); r < 0) return r;
  return 0;
}

}  // namespace bascule::hostd
