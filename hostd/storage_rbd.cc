#include "hostd/storage_rbd.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/log.h"
#include "hostd/bounded_call.h"
#include "hostd/ceph_servers.h"
#include "hostd/custodian.h"
#include "hostd/pump.h"
#include "hostd/rbd_takeover.h"
#include "hostd/templates.h"
#include "hostd/volume_change.h"
#include "hostd/volume_tags.h"
#include "hostd/volumes_in_use.h"

namespace bascule::hostd {
namespace {

constexpr Duration kLookEvery = 1s;
constexpr Duration kServersEvery = 5s;
constexpr Duration kTidyEvery = 1h;
constexpr Duration kAnswers = 60s;
constexpr Duration kFollows = 1800s;  // a whole copy

class RbdPool final : public StoragePool {
 public:
  RbdPool(std::string name, const RbdPoolConfig& config, const Clock& clock)
      : name_(std::move(name)),
        clock_(clock),
        snapshot_every_(config.snapshot_every),
        local_(config.local),
        remote_(config.remote ? std::make_unique<Ceph>(*config.remote) : nullptr),
        takeover_(name_, local_, remote_.get(), snapshot_every_, clock_),
        in_use_(name_, config, local_, remote_.get(), takeover_, clock_),
        servers_(local_) {
    local_look_ = std::make_unique<Pump>(kLookEvery, [this] { local_.look(); });
    points_ = std::make_unique<Pump>(kLookEvery, [this] { send_points(); });
    tidy_ = std::make_unique<Pump>(kTidyEvery, [this] { tidy(); });
    servers_look_ = std::make_unique<Pump>(kServersEvery, [this] {
      servers_.look();
      in_use_.look_at_copies();
    });
    if (remote_) remote_look_ = std::make_unique<Pump>(kLookEvery, [this] { remote_->look(); });
  }

  const std::string& name() const override { return name_; }
  Status ready() const override {
    if (const Status state = local_.ready(); !state) return failure(state.error().within("pool " + name_));
    return {};
  }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> all = local_.warnings();
    const std::string few = in_use_.too_few_copies();
    if (!few.empty()) all.push_back("that it " + few);
    return all;
  }

  void tell_hosts(const std::set<HostId>& hosts, const std::set<HostId>& kept) override {
    servers_.tell_hosts(hosts, kept);
  }
  std::optional<std::vector<wire::StorageServer>> take_servers() override { return servers_.take_news(); }

  Result<bool> exists(const std::string& volume) const override {
    if (const Status named = check(volume); !named) return failure(named.error());
    const Result<ImageState> image = local_.image(volume);
    if (image) return true;
    if (image.error().code == ErrorCode::not_found) return false;
    return failure(image.error().within("pool " + name_));
  }

  Status create(const NewVolume& volume) override {
    if (const Status named = check(volume.disk.volume); !named) return failure(named.error());
    if (volume.disk.format != DiskFormat::raw)
      return failure(ErrorCode::invalid, "pool " + name_ + " is Ceph RBD: its volumes have format raw");
    if (const Status usable = ready(); !usable) return usable;
    const std::uint64_t bytes = volume.disk.size_mib << 20;
    Status made = volume.disk.from.empty() ? Status() : check_template(local_, volume.disk.from, bytes);
    std::map<std::string, std::string> tags{{kVmTag, volume.owner.value}};
    if (volume.custody) tags[kCustodyTag] = text_of(*volume.custody);
    if (made)
      made = local_.create(
          {volume.disk.volume, bytes, std::move(tags), volume.mirrored && remote_, volume.disk.from});
    return made ? made : failure(made.error().within("pool " + name_));
  }

  Status remove(const std::string& volume, const VmId& owner) override {
    if (const Status named = check(volume); !named) return failure(named.error());
    const Result<ImageState> here = local_.image(volume);
    if (!here && here.error().code != ErrorCode::not_found) return failure(here.error());
    // A replica goes with its primary, and can't go alone.
    const bool elsewhere = remote_ && (!here || here->role == ImageRole::replica);
    Ceph& cluster = elsewhere ? *remote_ : local_;
    const Result<ImageState> image = elsewhere ? cluster.image(volume) : here;
    if (!image && image.error().code == ErrorCode::not_found) return {};
    if (!image) return failure(image.error());
    if (const Status ours = check_owner(name_, volume, *image, owner); !ours) {
      log(LogLevel::warning, "storage", "not_removed", {{"volume", volume}, {"why", ours.error().message}});
      return {};
    }
    return cluster.remove(volume, kTrashGrace);
  }

  Result<OpenedVolume> open(const std::string& volume, const Taking& taking) override {
    if (const Status named = check(volume); !named) return failure(named.error());
    const std::string what = "opening volume " + volume + " of pool " + name_;
    std::optional<wire::VolumeTaken> taken;
    if (const Status here = takeover_.bring_here(volume, taking, taken); !here)
      return failure(here.error().within(what));
    if (const Status whole = check_whole_here(volume); !whole) return failure(whole.error().within(what));
    if (const Status fenced = fence_clients(local_, volume, taking); !fenced)
      return failure(fenced.error().within(what));
    if (const Status writable = local_.prove_writable(volume); !writable)
      return failure(writable.error().within(what));
    const Result<std::string> cluster = local_.cluster_id();
    if (!cluster) return failure(cluster.error().within(what));
    const Status tagged = local_.set_tags(volume, tags_of_use(taking.generation, *cluster, taken));
    if (!tagged) return failure(tagged.error().within(what));
    if (taken && taken->complete_until) takeover_.forget_note(volume);
    const std::string client = client_of(taking.vm, taking.generation.value);
    Result<Secret> key = local_.client_key(client);
    if (!key) return failure(key.error().within(what));
    const CephAddress& place = local_.address();
    return OpenedVolume{RbdSource{place.conf, place.pool, volume, client, std::move(*key)}, std::move(taken)};
  }

  bool keeps_custody() const override { return true; }
  Result<std::optional<Custody>> custody(const std::string& volume) const override {
    if (const Status named = check(volume); !named) return failure(named.error());
    const Result<ImageState> image = local_.image(volume);
    if (!image) return failure(image.error().within("volume " + volume + " of pool " + name_));
    const auto tag = image->tags.find(kCustodyTag);
    if (tag == image->tags.end()) return std::nullopt;
    return read_custody(tag->second);
  }
  Status set_custody(const std::string& volume, const Custody& custody) override {
    if (const Status named = check(volume); !named) return named;
    const Status set = local_.set_tags(volume, {{kCustodyTag, text_of(custody)}});
    if (set) send_point(volume);
    return set;
  }

  Status keep_image(const std::string& name, const std::string& file) override {
    if (const Status usable = ready(); !usable) return usable;
    const Status kept = import_template(local_, remote_.get(), name, file);
    return kept ? kept : failure(kept.error().within("pool " + name_));
  }
  Status drop_image(const std::string& name) override {
    if (const Status usable = ready(); !usable) return usable;
    const Status gone = remove_template(local_, name);
    if (gone || gone.error().code == ErrorCode::not_found) return {};
    return failure(gone.error().within("pool " + name_));
  }
  // Nothing writes it, so the other site's copy is as good, and needs no takeover.
  Result<DiskSource> open_image(const std::string& name, const Taking& taking) override {
    if (const Status there = check_template(local_, name, UINT64_MAX); !there)
      return failure(there.error().within("pool " + name_));
    const std::string client = client_of(taking.vm, taking.generation.value);
    Result<Secret> key = local_.client_key(client);
    if (!key) return failure(key.error().within("pool " + name_));
    const CephAddress& place = local_.address();
    return RbdSource{place.conf, place.pool, name, client, std::move(*key)};
  }

  Result<std::string> file_path(const std::string&) const override {
    return failure(ErrorCode::invalid, "pool " + name_ + " is Ceph RBD and has no files");
  }

  std::optional<wire::VolumeSeen> tend(const std::string& volume, const Tending& tending) override {
    return in_use_.tend(volume, tending);
  }

  void close(const std::string& volume, const VmId& vm, Generation generation) override {
    in_use_.forget(volume);
    const Result<ImageState> here = local_.image(volume);
    if (!here || generation_of(*here) != generation) return;
    Status done = here->role == ImageRole::primary ? local_.take_mirror_snapshot(volume, clock_) : Status();
    if (done) done = local_.remove_client(client_of(vm, generation.value));
    if (!done)
      log(LogLevel::warning, "storage", "close_failed", {{"volume", volume}, {"why", done.error().message}});
  }

  Status follow(const std::string& volume, const VmId& vm) override {
    if (const Status named = check(volume); !named) return failure(named.error());
    const std::string what = "making volume " + volume + " of pool " + name_ + " follow the other site";
    if (!remote_) return {};
    if (const Status both = wait_for_both(); !both) return failure(both.error().within(what));
    const Result<ImageState> there = remote_->image(volume);
    if (!there) return failure(there.error().within(what));
    if (there->role == ImageRole::plain) return {};
    if (there->role != ImageRole::primary)
      return failure(ErrorCode::conflict, what + ": the other site's copy is no primary");
    if (const Status ours = check_owner(name_, volume, *there, vm); !ours) return ours;
    if (const Status aside = set_stale_copy_aside(volume, generation_of(*there)); !aside)
      return failure(aside.error().within(what));
    const Status asked = remote_->take_mirror_snapshot(volume, clock_);
    const bool enough = !asked && asked.error().code == ErrorCode::conflict;  // points that wait to be copied
    if (!asked && !enough) return failure(asked.error().within(what));
    const Result<ImageState> goal = remote_->image(volume);
    if (!goal) return failure(goal.error().within(what));
    const Status followed = wait_for_point(volume, goal->newest ? goal->newest->primary_snapshot : 0);
    return followed ? followed : failure(followed.error().within(what));
  }

  Status check_change(const std::string& volume, const Changing& changing) const override {
    if (const Status named = check(volume); !named) return named;
    const std::string what = "volume " + volume + " of pool " + name_;
    const Result<ImageState> image = local_.image(volume);
    if (!image) return failure(image.error().within(what));
    if (const Status ours = check_owner(name_, volume, *image, changing.vm); !ours) return ours;
    if (image->role == ImageRole::replica)
      return failure(ErrorCode::conflict, what + ": this site's copy only follows the other site's");
    const bool rolls_back = std::holds_alternative<wire::RollBack>(changing.change);
    if (const Status whole = rolls_back ? Status() : check_whole(*image); !whole)
      return failure(whole.error().within(what));
    const Status can =
        std::visit([&](const auto& change) { return can_apply(*image, change); }, changing.change);
    return can ? can : failure(can.error().within(what));
  }

  Status change(const std::string& volume, const Changing& changing) override {
    const Status changed =
        std::visit([&](const auto& change) { return apply(volume, change); }, changing.change);
    if (!changed) return failure(changed.error().within("volume " + volume + " of pool " + name_));
    // A roll back is copied at its end, with the other volumes.
    if (!std::holds_alternative<wire::RollBack>(changing.change)) send_point(volume);
    return {};
  }

  Status begin_change(const std::string& volume, const Changing& changing) override {
    if (const Status can = check_change(volume, changing); !can) return can;
    const auto* back = std::get_if<wire::RollBack>(&changing.change);
    return back ? local_.set_tags(volume, {{kRollBackTag, back->name}}) : Status();
  }

  Status end_change(const std::string& volume) override {
    if (const Status ended = local_.set_tags(volume, {{kRollBackTag, ""}}); !ended) return ended;
    send_point(volume);
    return {};
  }

 private:
  void send_point(const std::string& volume) {
    const std::lock_guard lock(mutex_);
    unsent_.insert(volume);
  }

  // What was changed, perhaps of a volume that no guest has open now. Nobody waits for it.
  void send_points() {
    const std::set<std::string> volumes = [this] {
      const std::lock_guard lock(mutex_);
      return std::exchange(unsent_, {});
    }();
    for (const std::string& volume : volumes) {
      const Result<ImageState> image = local_.image(volume);
      const bool gone = !image && image.error().code == ErrorCode::not_found;
      if (gone || (image && image->role != ImageRole::primary)) continue;
      const Status sent =
          image ? local_.take_mirror_snapshot(volume, clock_) : Status(failure(image.error()));
      if (!sent) send_point(volume);  // again in a second
    }
  }

  static Status check(const std::string& volume) {
    if (is_valid_name(volume)) return {};
    return failure(ErrorCode::invalid, "\"" + volume + "\" is no name of a volume");
  }

  Status check_whole_here(const std::string& volume) const {
    const Result<ImageState> image = local_.image(volume);
    return image ? check_whole(*image) : Status(failure(image.error()));
  }

  // ---- Changing ----

  Status apply(const std::string& volume, const wire::TakeSnapshot& change) {
    return local_.take_snapshot(volume, change.name);
  }
  Status apply(const std::string& volume, const wire::RemoveSnapshot& change) {
    return local_.remove_snapshot(volume, change.name);
  }
  // Whoever still had it open would write over what it is rolled back to.
  Status apply(const std::string& volume, const wire::RollBack& change) {
    const Status fenced = local_.fence(volume, Ceph::Fenced::guests);
    return fenced ? local_.roll_back(volume, change.name) : fenced;
  }
  Status apply(const std::string&, const wire::Deliver&) { return {}; }  // the agent's own
  Status apply(const std::string& volume, const wire::Grow& change) {
    return local_.grow(volume, change.size_mib << 20);
  }

  // ---- The way home ----

  // A copy here that doesn't follow is the data of before the fault, with whatever nobody else has. It is
  // renamed, not overwritten; rbd-mirror then makes a new copy of the other site's.
  Status set_stale_copy_aside(const std::string& volume, Generation newest) {
    const Result<ImageState> here = local_.image(volume);
    if (!here && here.error().code == ErrorCode::not_found) return {};
    if (!here) return failure(here.error());
    if (here->role == ImageRole::replica && here->problem.find("split-brain") == std::string::npos) return {};
    if (generation_of(*here) >= newest)
      return failure(ErrorCode::conflict,
                     "this site's copy is not older than the other's: nothing is overwritten");
    // A client that died with its host would keep the image's lock for half a minute.
    if (const Status fenced = local_.fence(volume, Ceph::Fenced::guests); !fenced) return fenced;
    const std::string kept = kept_name(volume, clock_.wall());
    if (const Status ended = local_.stop_mirroring(volume); !ended) return ended;
    if (const Status renamed = local_.rename(volume, kept); !renamed) return renamed;
    log(LogLevel::info, "storage", "kept", {{"volume", volume}, {"as", kept}});
    return {};
  }

  // A host that is back with its site may be asked before it has found its storage.
  Status wait_for_both() const {
    const Instant deadline = clock_.now() + kAnswers;
    for (;;) {
      Status both = local_.ready();
      if (both) both = remote_->ready();
      if (both || clock_.now() >= deadline) return both;
      pause_before_asking_again();
    }
  }

  Status wait_for_point(const std::string& volume, std::uint64_t snapshot) {
    const Instant deadline = clock_.now() + kFollows;
    std::string why = "no copy yet";
    while (clock_.now() < deadline) {
      const Result<ImageState> here = local_.image(volume);
      if (here && here->following && here->newest && here->newest->primary_snapshot >= snapshot) return {};
      why = !here ? here.error().message : here->problem.empty() ? "it is being copied" : here->problem;
      pause_before_asking_again();
    }
    return failure(ErrorCode::timeout, "it is not in step yet: " + why);
  }

  // Copies that were set aside, and removed volumes, go when their time is over.
  void tidy() {
    const WallTime now = clock_.wall();
    const auto grace = std::chrono::duration_cast<std::chrono::milliseconds>(kTrashGrace).count();
    const Result<std::vector<std::string>> images = local_.list();
    for (const std::string& image : images.value_or(std::vector<std::string>())) {
      const std::optional<WallTime> since = kept_since(image);
      if (!since || since->unix_ms + grace > now.unix_ms) continue;
      const Result<ImageState> state = local_.image(image);
      if (!state || !state->tags.contains(kVmTag)) continue;  // named like ours
      const Status removed = local_.remove(image, 0s);
      log(LogLevel::info, "storage", "kept_no_longer",
          {{"image", image}, {"outcome", removed ? std::string("done") : removed.error().message}});
    }
    if (const Status purged = local_.purge_trash(now); !purged)
      log(LogLevel::warning, "storage", "trash_not_purged",
          {{"pool", name_}, {"why", purged.error().message}});
  }

  const std::string name_;
  const Clock& clock_;
  const Duration snapshot_every_;
  Ceph local_;
  std::unique_ptr<Ceph> remote_;
  RbdTakeover takeover_;
  VolumesInUse in_use_;
  CephServers servers_;
  std::mutex mutex_;
  std::set<std::string> unsent_;  // changed, and no point taken since
  std::unique_ptr<Pump> local_look_;
  std::unique_ptr<Pump> remote_look_;
  std::unique_ptr<Pump> points_;
  std::unique_ptr<Pump> tidy_;
  std::unique_ptr<Pump> servers_look_;
};

}  // namespace

std::unique_ptr<StoragePool> make_rbd_pool(const std::string& name, const RbdPoolConfig& config,
                                           const Clock& clock) {
  return std::make_unique<RbdPool>(name, config, clock);
}

}  // namespace bascule::hostd
