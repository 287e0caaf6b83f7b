#include "hostd/unfinished_copy.h"

#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <list>
#include <memory>
#include <rados/librados.hpp>
#include <rbd/librbd.hpp>

namespace bascule::hostd {
namespace {

constexpr std::size_t kInFlight = 64;
constexpr const char* kLock = "rbd_lock";  // librbd's exclusive lock: it respects others' that have this name
constexpr const char* kCookie = "bascule take-over";
constexpr timeval kLockFor{600, 0};

std::string header_of(const ImageObjects& objects) { return "rbd_header." + objects.id; }

int lock(librados::IoCtx& pool, const std::string& header) {
  std::list<librados::locker_t> holders;
  int exclusive = 0;
  std::string tag;
  const int r = pool.list_lockers(header, kLock, &exclusive, &tag, &holders);
  if (r < 0 && r != -ENOENT) return r;
  for (const librados::locker_t& holder : holders)
    if (const int broken = pool.break_lock(header, kLock, holder.client, holder.cookie); broken < 0)
      return broken;
  timeval bound = kLockFor;
  return pool.lock_exclusive(header, kLock, kCookie, "undoing an unfinished copy", &bound, 0);
}

// What rbd-mirror notes of a point itself (cls_rbd.cc, mirror_image_snapshot_set_copy_progress).
int note_copied(librados::IoCtx& pool, const std::string& header, std::uint64_t snapshot, bool complete) {
  std::array<char, 17> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes.at(i) = static_cast<char>(snapshot >> (8 * i));
  bytes.at(8) = complete ? 1 : 0;
  ceph::bufferlist in, out;
  in.append(bytes.data(), static_cast<unsigned>(bytes.size()));
  return pool.exec(header, "rbd", "mirror_image_snapshot_set_copy_progress", in, out);
}

std::string object_name(const ImageObjects& objects, std::uint64_t number) {
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), ".%016llx", static_cast<unsigned long long>(number));
  return objects.prefix + text.data();
}

int roll_back(librados::IoCtx& data, const ImageObjects& objects, std::uint64_t snapshot) {
  std::list<std::unique_ptr<librados::AioCompletion>> under_way;
  int failed = 0;
  const auto wait_for_one = [&] {
    under_way.front()->wait_for_complete();
    const int r = under_way.front()->get_return_value();
    if (r < 0 && r != -ENOENT && failed == 0) failed = r;
    under_way.pop_front();
  };
  for (std::uint64_t number = 0; number < objects.count && failed == 0; ++number) {
    librados::ObjectWriteOperation back;
    back.selfmanaged_snap_rollback(snapshot);
    under_way.emplace_back(librados::Rados::aio_create_completion());
    const int r = data.aio_operate(object_name(objects, number), under_way.back().get(), &back);
    if (r < 0) {
      under_way.pop_back();
      failed = r;
    }
    if (under_way.size() >= kInFlight) wait_for_one();
  }
  while (!under_way.empty()) wait_for_one();
  return failed;
}

int undo_locked(librados::IoCtx& pool, librados::IoCtx& data, const ImageObjects& objects,
                const UnfinishedPoint& point) {
  const std::string header = header_of(objects);
  // First: whatever comes next, nobody goes on where the copying had stopped.
  int r = note_copied(pool, header, point.snapshot, false);
  if (r >= 0) r = roll_back(data, objects, point.back_to);
  // Where there is none, librbd doesn't trust one.
  if (r >= 0) r = pool.remove("rbd_object_map." + objects.id);
  if (r == -ENOENT) r = 0;
  if (r >= 0) r = note_copied(pool, header, point.snapshot, true);
  return r;
}

}  // namespace

int read_objects(librbd::Image& image, ImageObjects& objects) {
  librbd::image_info_t info;
  std::vector<librbd::snap_info_t> snapshots;
  int r = image.stat(info, sizeof info);
  if (r >= 0) r = image.get_id(&objects.id);
  if (r >= 0) r = image.snap_list(snapshots);
  if (r < 0) return r;
  objects.prefix = info.block_name_prefix;
  objects.pool = image.get_data_pool_id();
  objects.count = info.num_objs;
  for (const auto& snapshot : snapshots) objects.snapshots.push_back(snapshot.id);
  std::sort(objects.snapshots.rbegin(), objects.snapshots.rend());
  return 0;
}

int undo_unfinished(librados::Rados& cluster, librados::IoCtx& pool, const ImageObjects& objects,
                    const UnfinishedPoint& point) {
  librados::IoCtx data;
  int r = cluster.ioctx_create2(objects.pool, data);
  if (r < 0) return r;
  std::vector<librados::snap_t> snapshots(objects.snapshots.begin(), objects.snapshots.end());
  r = data.selfmanaged_snap_set_write_ctx(snapshots.empty() ? 0 : snapshots.front(), snapshots);
  if (r >= 0) r = lock(pool, header_of(objects));
  if (r < 0) return r;
  r = undo_locked(pool, data, objects, point);
  const int unlocked = pool.unlock(header_of(objects), kLock, kCookie);
  return r < 0 ? r : unlocked;
}

}  // namespace bascule::hostd
