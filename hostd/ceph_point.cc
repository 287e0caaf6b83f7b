#include "hostd/ceph_point.h"

#include <atomic>
#include <list>
#include <rados/librados.hpp>
#include <rbd/librbd.hpp>

#include "hostd/bounded_call.h"
#include "hostd/ceph_image.h"

namespace bascule::hostd {
namespace {

constexpr const char* kLock = "bascule.point";
constexpr timeval kEndsAfter{30, 0};
constexpr int kTries = 50;

// Calls of one client are told apart by it.
std::string next_cookie() {
  static std::atomic<unsigned> last{0};
  return std::to_string(++last);
}

// "v1:192.0.2.7:0/42" is blocklisted as "192.0.2.7:0/42".
std::string as_blocklisted(const std::string& address) {
  const bool versioned = address.starts_with("v1:") || address.starts_with("v2:");
  return versioned ? address.substr(3) : address;
}

class PointLock {
 public:
  explicit PointLock(librados::IoCtx& pool) : pool_(pool) {}
  PointLock(const PointLock&) = delete;
  PointLock& operator=(const PointLock&) = delete;
  ~PointLock() {
    if (!object_.empty()) pool_.unlock(object_, kLock, cookie_);
  }

  int acquire(librbd::Image& image) {
    std::string object;
    int r = point_lock_object(image, object);
    if (r < 0) return r;
    for (int left = kTries; left > 0; --left) {
      timeval ends_after = kEndsAfter;
      r = pool_.lock_exclusive(object, kLock, cookie_, "makes a mirror snapshot", &ends_after, 0);
      if (r != -EBUSY) break;
      pause_before_asking_again();
    }
    if (r >= 0) object_ = object;
    return r;
  }

 private:
  librados::IoCtx& pool_;
  const std::string cookie_ = next_cookie();
  std::string object_;  // empty: not acquired
};

}  // namespace

int take_point(librados::IoCtx& pool, librbd::Image& image, const Clock& clock) {
  PointLock lock(pool);
  std::uint64_t id = 0;
  int r = lock.acquire(image);
  if (r >= 0) r = check_room_for_point(image);
  if (r >= 0) r = write_tags(image, {{kPointTag, std::to_string(clock.wall().unix_ms)}});
  return r < 0 ? r : image.mirror_image_create_snapshot(&id);
}

int demote_image(librados::IoCtx& pool, librbd::Image& image) {
  PointLock lock(pool);
  int r = lock.acquire(image);
  if (r >= 0) r = check_room_for_point(image);
  return r < 0 ? r : image.mirror_image_demote();
}

int point_lock_object(librbd::Image& image, std::string& object) {
  std::string id;
  const int r = image.get_id(&id);
  object = "rbd_header." + id;
  return r;
}

void break_point_locks(librados::IoCtx& pool, const std::string& object,
                       const std::set<std::string>& addresses) {
  int exclusive = 0;
  std::string tag;
  std::list<librados::locker_t> lockers;
  if (pool.list_lockers(object, kLock, &exclusive, &tag, &lockers) < 0) return;
  for (const librados::locker_t& locker : lockers)
    if (addresses.contains(as_blocklisted(locker.address)))
      pool.break_lock(object, kLock, locker.client, locker.cookie);
}

}  // namespace bascule::hostd
