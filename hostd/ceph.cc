#include "hostd/ceph.h"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "base/log.h"
#include "hostd/bounded_call.h"
#include "hostd/ceph_error.h"
#include "hostd/ceph_handle.h"
#include "hostd/ceph_health.h"
#include "hostd/ceph_image.h"
#include "hostd/ceph_point.h"
#include "hostd/unfinished_copy.h"

namespace bascule::hostd {
namespace {

constexpr Duration kBound = 10s;
constexpr Duration kLongBound = 60s;
constexpr Duration kUndoBound = 600s;
constexpr Duration kRollBackBound = 6h;
constexpr Duration kLookBound = 4s;
constexpr int kMostCalls = 64;
constexpr int kLooksPerHealth = 10;
constexpr std::size_t kMostOfObject = 4096;
constexpr const char* kCanary = "bascule.canary";
constexpr std::uint32_t kBlocklistSeconds = 10u * 365 * 86400;  // it fences until it expires: never, then

}  // namespace

struct Ceph::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<Handle> handle;
  bool looked = false;
  Status ready = failure(ErrorCode::unavailable, "not looked at yet");
  std::vector<std::string> health;    // the codes of the last answer
  std::vector<std::string> warnings;  // of the last two
  int looks = 0;
  BoundedCalls calls{kMostCalls};
};

Ceph::Ceph(CephAddress address) : address_(std::move(address)), shared_(std::make_unique<Shared>()) {}
Ceph::~Ceph() = default;

std::shared_ptr<Ceph::Handle> Ceph::handle() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->handle;
}

Status Ceph::ready() const {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait_for(lock, kLookBound, [this] { return shared_->looked; });
  return shared_->ready;
}

void Ceph::look() {
  using Connected = std::shared_ptr<Handle>;
  const Connected old = handle();
  const auto round = [old, address = address_]() -> Result<Connected> {
    Connected used = old;
    if (!used) {
      Result<Connected> fresh = Handle::connect(address);
      if (!fresh) return failure(fresh.error());
      used = std::move(*fresh);
    }
    ceph::bufferlist out, in;
    out.append("well");
    librados::ObjectWriteOperation write;
    write.write_full(out);
    const std::string what = "Ceph pool " + address.pool + " by " + address.conf;
    // A full pool says so instead of holding the write up.
    if (const int r = used->pool.operate(kCanary, &write, librados::OPERATION_FULL_TRY); r < 0)
      return failure(error_of(r, "writing to " + what));
    if (const int r = used->pool.read(kCanary, in, 4, 0); r < 0)
      return failure(error_of(r, "reading from " + what));
    return used;
  };
  const Result<Connected> found =
      shared_->calls.run<Connected>(kLookBound, "Ceph by " + address_.conf, round);
  bool ask_health = false;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->ready = found ? Status() : Status(failure(found.error()));
    shared_->looked = true;
    shared_->changed.notify_all();
    if (found) shared_->handle = *found;
    // A handle heals by itself, except from being fenced.
    if (!found && found.error().code == ErrorCode::denied) shared_->handle.reset();
    ask_health = found && shared_->looks++ % kLooksPerHealth == 0;
  }
  if (ask_health) look_at_health();
}

std::vector<std::string> Ceph::warnings() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->warnings;
}

void Ceph::look_at_health() {
  using Words = std::vector<std::string>;
  const Result<Words> found =
      with_handle<Words>(kLookBound, "the health of " + address_.conf, [](Handle& handle) -> Result<Words> {
        const Result<nlohmann::json> health = handle.command({{"prefix", "health"}, {"format", "json"}});
        if (!health) return failure(health.error());
        return codes_of_health(health->dump());
      });
  if (!found) return;  // that the cluster can't be asked is said by ready()
  const std::lock_guard lock(shared_->mutex);
  const std::vector<std::string> before = std::exchange(shared_->health, *found);
  shared_->warnings.clear();
  std::set_intersection(before.begin(), before.end(), found->begin(), found->end(),
                        std::back_inserter(shared_->warnings));
}

template <class T, class Call>
Result<T> Ceph::with_handle(Duration bound, const std::string& what, Call call) const {
  std::shared_ptr<Handle> used = handle();
  if (!used) {
    const Status state = ready();  // waits for the first look, which connects
    if (!state) return failure(state.error().within(what));
    used = handle();
  }
  if (!used) return failure(ErrorCode::unavailable, what + ": not connected");
  return shared_->calls.run<T>(bound, what, [used, call]() -> Result<T> { return call(*used); });
}

template <class Call>
Status Ceph::with_image(Duration bound, const std::string& what, const std::string& name, Call call) const {
  const std::string words = what + " " + address_.pool + "/" + name;
  return with_handle<void>(bound, words, [name, call, words](Handle& handle) -> Status {
    librbd::Image image;
    if (const int r = handle.rbd.open(handle.pool, image, name.c_str()); r < 0)
      return failure(error_of(r, words));
    return status_of(call(handle, image), words);
  });
}

Result<std::string> Ceph::cluster_id() const {
  const std::string what = "the id of the cluster of " + address_.conf;
  return with_handle<std::string>(kBound, what, [what](Handle& handle) -> Result<std::string> {
    std::string id;
    if (const int r = handle.cluster.cluster_fsid(&id); r < 0) return failure(error_of(r, what));
    return id;
  });
}

Result<std::string> Ceph::ask(const std::string& request) const {
  const auto call = [request](Handle& handle) -> Result<std::string> {
    const Result<nlohmann::json> answer = handle.command(nlohmann::json::parse(request));
    return answer ? Result<std::string>(answer->dump()) : failure(answer.error());
  };
  return with_handle<std::string>(kBound, "asking " + address_.conf, call);
}

// ---- Images ----

Result<ImageState> Ceph::image(const std::string& name) const {
  const std::string what = "image " + address_.pool + "/" + name;
  return with_handle<ImageState>(kBound, what, [name, what](Handle& handle) -> Result<ImageState> {
    librbd::Image image;
    if (const int r = handle.rbd.open_read_only(handle.pool, image, name.c_str(), nullptr); r < 0)
      return failure(error_of(r, what));
    ImageState state;
    if (const int r = read_image(image, state); r < 0) return failure(error_of(r, what));
    return state;
  });
}

Status Ceph::create(const NewImage& image) {
  const std::string what = "creating image " + address_.pool + "/" + image.name;
  return with_handle<void>(kBound, what, [image, what](Handle& handle) -> Status {
    const int r = make_image(handle.rbd, handle.pool, image);
    const bool refused = r == -EINVAL && image.mirrored;
    return status_of(r,
                     what + (refused ? ", mirrored (`rbd mirror pool enable` sets a pool up for it)" : ""));
  });
}

Result<std::size_t> Ceph::clones(const std::string& name) const {
  const std::string what = "what is cloned from image " + address_.pool + "/" + name;
  return with_handle<std::size_t>(kBound, what, [name, what](Handle& handle) -> Result<std::size_t> {
    librbd::Image image;
    std::vector<librbd::linked_image_spec_t> children;
    int r = handle.rbd.open_read_only(handle.pool, image, name.c_str(), nullptr);
    if (r >= 0) r = image.list_children3(&children);
    if (r < 0) return failure(error_of(r, what));
    return children.size();
  });
}

Status Ceph::mirror(const std::string& name) {
  return with_image(kBound, "mirroring", name, [](Handle&, librbd::Image& image) {
    librbd::mirror_image_info_t info;
    const int r = image.mirror_image_get_info(&info, sizeof info);
    if (r >= 0 && info.state == RBD_MIRROR_IMAGE_ENABLED) return 0;
    return image.mirror_image_enable2(RBD_MIRROR_IMAGE_MODE_SNAPSHOT);
  });
}

Status Ceph::set_tags(const std::string& name, const std::map<std::string, std::string>& tags) {
  return with_image(kBound, "tagging", name,
                    [tags](Handle&, librbd::Image& image) { return write_tags(image, tags); });
}

Status Ceph::remove(const std::string& name, Duration grace) {
  const std::string what = "removing image " + address_.pool + "/" + name;
  const auto seconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(grace).count());
  return with_handle<void>(kBound, what, [=](Handle& handle) -> Status {
    int r = remove_snapshots(handle.rbd, handle.pool, name);
    if (r >= 0) r = handle.rbd.trash_move(handle.pool, name.c_str(), seconds);
    return r == -ENOENT ? Status() : status_of(r, what);
  });
}

Status Ceph::rename(const std::string& name, const std::string& to) {
  const std::string what = "renaming image " + address_.pool + "/" + name + " to " + to;
  return with_handle<void>(kBound, what, [=](Handle& handle) {
    return status_of(handle.rbd.rename(handle.pool, name.c_str(), to.c_str()), what);
  });
}

Status Ceph::grow(const std::string& name, std::uint64_t bytes) {
  return with_image(kLongBound, "growing", name, [bytes](Handle&, librbd::Image& image) {
    std::uint64_t size = 0;
    if (const int r = image.size(&size); r < 0) return r;
    return size >= bytes ? 0 : image.resize(bytes);
  });
}

Status Ceph::take_snapshot(const std::string& name, const std::string& snapshot) {
  return with_image(
      kBound, "taking snapshot " + snapshot + " of", name,
      [snapshot](Handle&, librbd::Image& image) { return image.snap_create(snapshot.c_str()); });
}

Status Ceph::remove_snapshot(const std::string& name, const std::string& snapshot) {
  return with_image(kLongBound, "removing snapshot " + snapshot + " of", name,
                    [snapshot](Handle&, librbd::Image& image) {
                      const int r = image.snap_remove(snapshot.c_str());
                      return r == -ENOENT ? 0 : r;
                    });
}

Status Ceph::roll_back(const std::string& name, const std::string& snapshot) {
  return with_image(kRollBackBound, "rolling back to snapshot " + snapshot + " image", name,
                    [=](Handle& handle, librbd::Image& image) {
                      librbd::Image then;
                      const int r =
                          handle.rbd.open_read_only(handle.pool, then, name.c_str(), snapshot.c_str());
                      return r < 0 ? r : roll_back_image(image, then, snapshot);
                    });
}

Result<std::uint64_t> Ceph::used_bytes(const std::string& name) const {
  const std::string what = "what image " + address_.pool + "/" + name + " uses";
  return with_handle<std::uint64_t>(kBound, what, [name, what](Handle& handle) -> Result<std::uint64_t> {
    librbd::Image image;
    std::uint64_t bytes = 0;
    int r = handle.rbd.open_read_only(handle.pool, image, name.c_str(), nullptr);
    if (r >= 0) r = bascule::hostd::used_bytes(image, bytes);
    if (r < 0) return failure(error_of(r, what));
    return bytes;
  });
}

Result<std::vector<std::string>> Ceph::list() const {
  using Names = std::vector<std::string>;
  const std::string what = "listing the images of " + address_.pool;
  return with_handle<Names>(kBound, what, [what](Handle& handle) -> Result<Names> {
    std::vector<librbd::image_spec_t> images;
    if (const int r = handle.rbd.list2(handle.pool, &images); r < 0) return failure(error_of(r, what));
    Names names;
    for (const auto& image : images) names.push_back(image.name);
    return names;
  });
}

Status Ceph::purge_trash(WallTime now) {
  const std::string what = "purging the trash of " + address_.pool;
  return with_handle<void>(kLongBound, what, [now, what](Handle& handle) {
    return status_of(handle.rbd.trash_purge(handle.pool, now.unix_ms / 1000, -1), what);
  });
}

// ---- Mirroring ----

Status Ceph::take_mirror_snapshot(const std::string& name, const Clock& clock) {
  return with_image(
      kBound, "taking a mirror snapshot (one client at a time; three uncopied at most) of", name,
      [&clock](Handle& handle, librbd::Image& image) { return take_point(handle.pool, image, clock); });
}

Status Ceph::demote(const std::string& name) {
  return with_image(kLongBound, "demoting", name,
                    [](Handle& handle, librbd::Image& image) { return demote_image(handle.pool, image); });
}

Status Ceph::promote(const std::string& name, bool force) {
  return with_image(kLongBound, "promoting", name,
                    [force](Handle&, librbd::Image& image) { return image.mirror_image_promote(force); });
}

Status Ceph::stop_mirroring(const std::string& name) {
  return with_image(kLongBound, "ending the mirroring of", name,
                    [](Handle&, librbd::Image& image) { return image.mirror_image_disable(true); });
}

Status Ceph::undo_unfinished(const std::string& name, const UnfinishedPoint& point) {
  const std::string what = "undoing the unfinished copy of image " + address_.pool + "/" + name;
  return with_handle<void>(kUndoBound, what, [=](Handle& handle) -> Status {
    ImageObjects objects;
    {
      librbd::Image image;
      int r = handle.rbd.open_read_only(handle.pool, image, name.c_str(), nullptr);
      if (r >= 0) r = read_objects(image, objects);
      if (r < 0) return failure(error_of(r, what));
    }
    return status_of(bascule::hostd::undo_unfinished(handle.cluster, handle.pool, objects, point), what);
  });
}

Status Ceph::finish_undo(const std::string& name, const std::vector<std::string>& in_part) {
  return with_image(kUndoBound, "repairing", name,
                    [in_part](Handle&, librbd::Image& image) { return repair_image(image, in_part); });
}

Status Ceph::copy_anew(const std::string& name) {
  return with_image(kLongBound, "asking for a new copy of", name,
                    [](Handle&, librbd::Image& image) { return image.mirror_image_resync(); });
}

Status Ceph::prove_writable(const std::string& name) {
  const std::string what = "writing to image " + address_.pool + "/" + name;
  return with_handle<void>(kLongBound, what, [name, what](Handle& handle) -> Status {
    int r = 0;
    for (int tries = 0; tries < 100; ++tries) {
      librbd::Image image;
      r = handle.rbd.open(handle.pool, image, name.c_str());
      if (r >= 0 && promoted_in_part(image)) {
        r = promote_anew(handle.pool, image);
        if (r >= 0) continue;  // to open it anew
      }
      if (r >= 0) r = write_what_is_there(image);
      if (r >= 0) return {};
      if (r != -EBUSY && r != -EROFS && r != -EAGAIN) break;
      if (tries >= 2) break_lock(image);
      pause_before_asking_again();
    }
    return failure(error_of(r, what));
  });
}

// ---- Small objects ----

Status Ceph::write_object(const std::string& name, const std::string& text) {
  const std::string what = "writing object " + address_.pool + "/" + name;
  return with_handle<void>(kBound, what, [=](Handle& handle) {
    ceph::bufferlist content;
    content.append(text);
    return status_of(handle.pool.write_full(name, content), what);
  });
}

Result<std::string> Ceph::read_object(const std::string& name) const {
  const std::string what = "reading object " + address_.pool + "/" + name;
  return with_handle<std::string>(kBound, what, [=](Handle& handle) -> Result<std::string> {
    ceph::bufferlist content;
    if (const int r = handle.pool.read(name, content, kMostOfObject, 0); r < 0)
      return failure(error_of(r, what));
    return content.to_str();
  });
}

Status Ceph::remove_object(const std::string& name) {
  const std::string what = "removing object " + address_.pool + "/" + name;
  return with_handle<void>(kBound, what, [=](Handle& handle) {
    const int r = handle.pool.remove(name);
    return r == -ENOENT ? Status() : status_of(r, what);
  });
}

// ---- Fencing ----

Status Ceph::fence(const std::string& name, Fenced whom) {
  const std::string what = "fencing the clients of image " + address_.pool + "/" + name;
  return with_handle<void>(kBound, what, [=, conf = address_.conf](Handle& handle) -> Status {
    std::set<std::string> found;
    std::string point_lock;
    {
      librbd::Image image;
      const std::uint64_t ours = whom == Fenced::guests ? handle.cluster.get_instance_id() : 0;
      int r = handle.rbd.open_read_only(handle.pool, image, name.c_str(), nullptr);
      if (r >= 0) r = point_lock_object(image, point_lock);
      if (r >= 0) r = clients_of(image, ours, found);
      if (r < 0) return failure(error_of(r, what));
    }
    if (whom == Fenced::guests)
      for (const std::string& daemon : mirror_daemons(handle.pool)) found.erase(daemon);
    for (const std::string& address : found)
      if (const int r = handle.cluster.blocklist_add(address, kBlocklistSeconds); r < 0)
        return failure(error_of(r, what));
    // Our next operation carries the map with the entries, those of others too that fenced somebody before
    // us: from then on no OSD takes a write of theirs.
    if (const int r = handle.cluster.wait_for_latest_osdmap(); r < 0) return failure(error_of(r, what));
    if (found.empty()) return {};
    const Result<nlohmann::json> listed =
        handle.command({{"prefix", "osd blocklist ls"}, {"format", "json"}});
    if (!listed) return failure(listed.error());
    std::set<std::string> missing = found;
    for (const auto& entry : *listed) missing.erase(entry.value("addr", ""));
    if (!missing.empty())
      return failure(ErrorCode::internal, what + ": the blocklist lacks " + *missing.begin());
    break_point_locks(handle.pool, point_lock, found);
    for (const std::string& address : found)
      log(LogLevel::info, "storage", "fenced", {{"conf", conf}, {"volume", name}, {"client", address}});
    return {};
  });
}

Result<Secret> Ceph::client_key(const std::string& client) {
  const std::string what = "the key of client." + client;
  return with_handle<Secret>(
      kBound, what, [client, what, pool = address_.pool](Handle& handle) -> Result<Secret> {
        const Result<nlohmann::json> answer =
            handle.command({{"prefix", "auth get-or-create"},
                            {"entity", "client." + client},
                            {"caps", {"mon", "profile rbd", "osd", "profile rbd pool=" + pool}},
                            {"format", "json"}});
        if (!answer) return failure(answer.error().within(what));
        if (!answer->is_array() || answer->empty())
          return failure(ErrorCode::internal, what + ": no key in the answer");
        return Secret((*answer)[0].value("key", ""));
      });
}

Status Ceph::remove_client(const std::string& client) {
  return with_handle<void>(kBound, "removing client." + client, [client](Handle& handle) -> Status {
    const Result<nlohmann::json> answer =
        handle.command({{"prefix", "auth rm"}, {"entity", "client." + client}});
    if (!answer && answer.error().code != ErrorCode::not_found) return failure(answer.error());
    return {};
  });
}

}  // namespace bascule::hostd
