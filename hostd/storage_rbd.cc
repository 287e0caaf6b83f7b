#include "hostd/storage_rbd.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/json.h"
#include "base/log.h"
#include "hostd/bounded_call.h"
#include "hostd/pump.h"
#include "hostd/templates.h"
#include "hostd/volume_change.h"
#include "hostd/volume_tags.h"

namespace bascule::hostd {
namespace {

constexpr Duration kLookEvery = 1s;
constexpr Duration kTidyEvery = 1h;
constexpr Duration kArrives = 20s;                // a demotion at the other site, when a fault moves the VM
constexpr Duration kArrivesPlanned = 120s;        // the same, when nothing may be lost
constexpr Duration kFollows = 1800s;              // a whole copy
constexpr std::uint64_t kGenerationsRevoked = 4;  // before the one that starts
constexpr Duration kMeasureEvery = 60s;           // what a volume uses
std::string client_of(const VmId& vm, std::uint64_t generation) {
  return "bascule." + vm.value + "." + std::to_string(generation);
}

class RbdPool final : public StoragePool {
 public:
  RbdPool(std::string name, const RbdPoolConfig& config, const Clock& clock)
      : name_(std::move(name)), clock_(clock), snapshot_every_(config.snapshot_every), local_(config.local) {
    if (config.remote) remote_ = std::make_unique<Ceph>(*config.remote);
    local_look_ = std::make_unique<Pump>(kLookEvery, [this] { local_.look(); });
    tidy_ = std::make_unique<Pump>(kTidyEvery, [this] { tidy(); });
    if (remote_) remote_look_ = std::make_unique<Pump>(kLookEvery, [this] { remote_->look(); });
  }

  const std::string& name() const override { return name_; }
  Status ready() const override {
    if (const Status state = local_.ready(); !state) return failure(state.error().within("pool " + name_));
    return {};
  }

  std::vector<std::string> warnings() const override { return local_.warnings(); }

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
    const Result<bool> there = exists(volume.disk.volume);
    if (!there) return failure(there.error());
    if (*there)
      return failure(ErrorCode::conflict,
                     "pool " + name_ + ": image " + volume.disk.volume + " exists already");
    const std::uint64_t bytes = volume.disk.size_mib << 20;
    Status made = volume.disk.from.empty() ? Status() : check_template(local_, volume.disk.from, bytes);
    if (made)
      made = local_.create({volume.disk.volume,
                            bytes,
                            {{kVmTag, volume.owner.value}, {kGenerationTag, "0"}},
                            volume.mirrored && remote_,
                            volume.disk.from});
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
    if (const Status ours = check_owner(volume, *image, owner); !ours) {
      log(LogLevel::warning, "storage", "not_removed", {{"volume", volume}, {"why", ours.error().message}});
      return {};
    }
    return cluster.remove(volume, kTrashGrace);
  }

  Result<OpenedVolume> open(const std::string& volume, const Taking& taking) override {
    if (const Status named = check(volume); !named) return failure(named.error());
    const std::string what = "opening volume " + volume + " of pool " + name_;
    std::optional<wire::VolumeTaken> taken;
    if (const Status here = bring_here(volume, taking, taken); !here)
      return failure(here.error().within(what));
    if (const Status fenced = fence_clients(local_, volume, taking); !fenced)
      return failure(fenced.error().within(what));
    if (const Status writable = local_.prove_writable(volume); !writable)
      return failure(writable.error().within(what));
    const Result<std::string> cluster = local_.cluster_id();
    if (!cluster) return failure(cluster.error().within(what));
    const Status tagged = local_.set_tags(volume, tags_of_use(taking.generation, *cluster, taken));
    if (!tagged) return failure(tagged.error().within(what));
    if (taken && taken->complete_until) local_.remove_object(note_of(volume));  // nothing reads it any more
    const std::string client = client_of(taking.vm, taking.generation.value);
    Result<Secret> key = local_.client_key(client);
    if (!key) return failure(key.error().within(what));
    const CephAddress& place = local_.address();
    return OpenedVolume{RbdSource{place.conf, place.pool, volume, client, std::move(*key)}, std::move(taken)};
  }

  Result<std::string> file_path(const std::string&) const override {
    return failure(ErrorCode::invalid, "pool " + name_ + " is Ceph RBD and has no files");
  }

  std::optional<wire::VolumeSeen> tend(const std::string& volume, Generation generation) override {
    wire::VolumeSeen seen;
    seen.pool = name_;
    seen.volume = volume;
    if (const Status usable = local_.ready(); !usable) {
      seen.here = usable.error().message;
      return seen;
    }
    const Result<ImageState> here = local_.image(volume);
    if (!here) {
      seen.here = here.error().message;
      return seen;
    }
    constexpr const char* kWords[] = {"not mirrored", "primary", "replica"};
    seen.here = kWords[static_cast<std::size_t>(here->role)];
    seen.primary = here->role == ImageRole::primary;
    for (const ImageSnapshot& snapshot : here->snapshots)
      seen.snapshots.push_back({snapshot.name, snapshot.taken});
    measure(volume, seen);
    seen.lost = here->role == ImageRole::replica || generation_of(*here) > generation;
    if (here->role == ImageRole::plain || !remote_) return seen;
    if (seen.primary) snapshot_if_due(volume, seen);
    look_there(volume, generation_of(*here), seen);
    return seen;
  }

  void close(const std::string& volume, const VmId& vm, Generation generation) override {
    const Result<ImageState> here = local_.image(volume);
    if (!here || generation_of(*here) != generation) return;
    Status done = here->role == ImageRole::primary ? local_.take_mirror_snapshot(volume) : Status();
    if (done) done = local_.remove_client(client_of(vm, generation.value));
    if (!done)
      log(LogLevel::warning, "storage", "close_failed", {{"volume", volume}, {"why", done.error().message}});
  }

  Status follow(const std::string& volume, const VmId& vm) override {
    if (const Status named = check(volume); !named) return failure(named.error());
    const std::string what = "making volume " + volume + " of pool " + name_ + " follow the other site";
    if (!remote_) return {};
    const Result<ImageState> there = remote_->image(volume);
    if (!there) return failure(there.error().within(what));
    if (there->role == ImageRole::plain) return {};
    if (there->role != ImageRole::primary)
      return failure(ErrorCode::conflict, what + ": the other site's copy is no primary");
    if (const Status ours = check_owner(volume, *there, vm); !ours) return ours;
    if (const Status aside = set_stale_copy_aside(volume, generation_of(*there)); !aside)
      return failure(aside.error().within(what));
    if (const Status asked = remote_->take_mirror_snapshot(volume); !asked)
      return failure(asked.error().within(what));
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
    if (const Status ours = check_owner(volume, *image, changing.vm); !ours) return ours;
    if (image->role == ImageRole::replica)
      return failure(ErrorCode::conflict, what + ": this site's copy only follows the other site's");
    const Status can =
        std::visit([&](const auto& change) { return can_apply(*image, change); }, changing.change);
    return can ? can : failure(can.error().within(what));
  }

  Status change(const std::string& volume, const Changing& changing) override {
    const Status changed =
        std::visit([&](const auto& change) { return apply(volume, change); }, changing.change);
    if (!changed) return failure(changed.error().within("volume " + volume + " of pool " + name_));
    const Result<ImageState> image = local_.image(volume);
    const bool mirrored = image && image->role == ImageRole::primary;
    if (const Status sent = mirrored ? local_.take_mirror_snapshot(volume) : Status(); !sent)
      log(LogLevel::warning, "storage", "snapshot_failed",
          {{"volume", volume}, {"why", sent.error().message}});
    return {};
  }

 private:
  static Status check(const std::string& volume) {
    if (is_valid_name(volume)) return {};
    return failure(ErrorCode::invalid, "\"" + volume + "\" is no name of a volume");
  }

  Status check_owner(const std::string& volume, const ImageState& image, const VmId& vm) const {
    const auto tag = image.tags.find(kVmTag);
    if (tag != image.tags.end() && tag->second == vm.value) return {};
    return failure(ErrorCode::invalid, "image " + volume + " of pool " + name_ +
                                           (tag == image.tags.end() ? " was not made by Bascule"
                                                                    : " belongs to VM " + tag->second) +
                                           "; give the VM another volume, or import the image");
  }

  // ---- Changing ----

  Status apply(const std::string& volume, const wire::TakeSnapshot& change) {
    return local_.take_snapshot(volume, change.name);
  }
  Status apply(const std::string& volume, const wire::RemoveSnapshot& change) {
    return local_.remove_snapshot(volume, change.name);
  }
  Status apply(const std::string& volume, const wire::Grow& change) {
    return local_.grow(volume, change.size_mib << 20);
  }

  // ---- Opening ----

  // Whoever has the image open, and the clients of earlier generations, so that they can't open it again.
  Status fence_clients(Ceph& cluster, const std::string& volume, const Taking& taking) {
    for (std::uint64_t back = 1; back <= kGenerationsRevoked && back < taking.generation.value; ++back) {
      const Status removed = cluster.remove_client(client_of(taking.vm, taking.generation.value - back));
      if (!removed) return removed;
    }
    const Result<std::vector<std::string>> fenced = cluster.fence(volume);
    if (!fenced) return failure(fenced.error());
    for (const std::string& address : *fenced)
      log(LogLevel::info, "storage", "fenced",
          {{"conf", cluster.address().conf}, {"volume", volume}, {"client", address}});
    return {};
  }

  Status bring_here(const std::string& volume, const Taking& taking,
                    std::optional<wire::VolumeTaken>& taken) {
    const Result<ImageState> here = local_.image(volume);
    if (!here) return failure(here.error());
    if (const Status ours = check_owner(volume, *here, taking.vm); !ours) return ours;
    if (here->role == ImageRole::replica && taking.takeover == wire::Takeover::none)
      return failure(ErrorCode::conflict, "this site's copy only follows the other site's");
    if (here->role != ImageRole::replica) return check_newest(volume, *here, taking, taken);
    const bool planned = taking.takeover == wire::Takeover::planned;
    const Status clean = take_cleanly(volume, taking, planned ? kArrivesPlanned : kArrives);
    if (!clean && planned) return clean;
    taken = wire::VolumeTaken{name_, volume, {}};
    if (clean) return {};
    log(LogLevel::warning, "storage", "forced", {{"volume", volume}, {"why", clean.error().message}});
    // Read anew: more may have arrived meanwhile. Afterwards nothing tells it, as the promotion removes the
    // points.
    const Result<ImageState> last = local_.image(volume);
    if (!last) return failure(last.error());
    if (!last->newest) return failure(ErrorCode::conflict, "this site's copy was never complete");
    taken->complete_until = last->newest->at;
    const TakeoverNote note{taking.vm, taking.generation, last->newest->at};
    if (const Status noted = local_.write_object(note_of(volume), json::encode_text(note)); !noted)
      return noted;
    return local_.promote(volume, true);
  }

  // A copy that is primary here already: of this site's last guest (also when the way home was refused and it
  // starts here again), or brought here for a start of ours that failed later, even before it left its tags.
  Status check_newest(const std::string& volume, const ImageState& here, const Taking& taking,
                      std::optional<wire::VolumeTaken>& taken) const {
    const Generation had = generation_of(here);
    const Result<std::string> cluster = local_.cluster_id();
    if (!cluster) return failure(cluster.error());
    const auto tag = here.tags.find(kClusterTag);
    const bool ran_here = tag == here.tags.end() || tag->second == *cluster;  // no tag: it never ran
    if (had == taking.ran && ran_here) return {};
    const Result<std::optional<Arrival>> arrived = arrived_since(volume, here, taking);
    if (!arrived) return failure(arrived.error());
    const std::optional<Arrival>& fetched = *arrived;
    if (had <= taking.ran && !fetched)
      return failure(ErrorCode::conflict,
                     "this site's copy is older than what generation " + std::to_string(taking.ran.value) +
                         " of the VM wrote (it has generation " + std::to_string(had.value) +
                         "); the newer data is at the other site");
    if (!fetched) return {};
    if (taking.takeover == wire::Takeover::planned && !fetched->all)
      return failure(ErrorCode::conflict,
                     "this site's copy was taken over by force, and lacks the last changes");
    taken = wire::VolumeTaken{name_, volume, {}};
    if (!fetched->all) taken->complete_until = fetched->until;
    return {};
  }

  // What was fetched here for a start after generation `ran`, by the image's tags and points or by the note.
  Result<std::optional<Arrival>> arrived_since(const std::string& volume, const ImageState& here,
                                               const Taking& taking) const {
    if (taking.takeover == wire::Takeover::none) return std::nullopt;
    if (generation_of(here) >= taking.ran)
      if (const auto fetched = fetched_since(here, taking.ran)) return fetched;
    const Result<std::string> text = local_.read_object(note_of(volume));
    if (!text && text.error().code == ErrorCode::not_found) return std::nullopt;
    if (!text) return failure(text.error());
    const Result<TakeoverNote> note = json::decode_text<TakeoverNote>(*text, json::Unknown::tolerate);
    if (!note) return failure(note.error().within(note_of(volume)));
    if (note->vm != taking.vm || note->generation <= taking.ran) return std::nullopt;
    return Arrival{note->until, false};
  }

  // The other site gives the volume up, and all that it had arrives here first. Asked again within the bound
  // as long as its storage answers: a call may fail while its cluster recovers.
  Status take_cleanly(const std::string& volume, const Taking& taking, Duration bound) {
    if (!remote_) return failure(ErrorCode::unavailable, "the other site's storage is not configured");
    const Instant deadline = clock_.now() + bound;
    for (std::optional<MirrorPoint> last;;) {
      Status done;
      if (!last) {
        Result<MirrorPoint> given_up = give_up_there(volume, taking);
        if (given_up)
          last = *given_up;
        else
          done = failure(given_up.error());
      }
      if (last) done = take_what_arrived(volume, *last);
      if (done) return {};
      const bool in_vain = !last && (done.error().code == ErrorCode::not_found || !remote_->ready());
      if (in_vain || clock_.now() >= deadline) return done;
      pause_before_asking_again();
    }
  }

  // Returns the other site's last word.
  Result<MirrorPoint> give_up_there(const std::string& volume, const Taking& taking) {
    if (const Status reached = remote_->ready(); !reached) return failure(reached.error());
    Result<ImageState> there = remote_->image(volume);
    if (there && there->role == ImageRole::primary) {
      if (const Status fenced = fence_clients(*remote_, volume, taking); !fenced)
        return failure(fenced.error());
      if (const Status demoted = remote_->demote(volume); !demoted) return failure(demoted.error());
      there = remote_->image(volume);
    }
    if (!there) return failure(there.error());
    if (!there->newest) return failure(ErrorCode::conflict, "the other site's copy was never complete");
    return *there->newest;
  }

  Status take_what_arrived(const std::string& volume, const MirrorPoint& last) {
    const Result<ImageState> here = local_.image(volume);
    if (!here) return failure(here.error());
    if (here->role == ImageRole::primary) return {};  // by a promotion whose answer got lost
    if (!here->newest || !lacks_nothing_of(*here->newest, last))
      return failure(ErrorCode::conflict, "the other site's last changes didn't arrive");
    return local_.promote(volume, false);
  }

  // ---- Tending ----

  void snapshot_if_due(const std::string& volume, wire::VolumeSeen& seen) {
    const Instant now = clock_.now();
    {
      const std::lock_guard lock(mutex_);
      const auto last = snapshots_.find(volume);
      if (last != snapshots_.end() && now - last->second < snapshot_every_) return;
      snapshots_[volume] = now;
    }
    if (const Status done = local_.take_mirror_snapshot(volume); !done) seen.here = done.error().message;
  }

  void look_there(const std::string& volume, Generation ours, wire::VolumeSeen& seen) {
    if (const Status reached = remote_->ready(); !reached) {
      seen.there = reached.error().message;
      return;
    }
    const Result<ImageState> there = remote_->image(volume);
    if (!there) {
      seen.there = there.error().message;
      return;
    }
    if (there->role == ImageRole::primary)
      seen.there = generation_of(*there) < ours ? "an older primary, to be overwritten on the way home"
                                                : "primary too: look at it before anything is moved";
    else
      seen.there = there->following         ? "follows"
                   : there->problem.empty() ? "begins to follow"
                                            : there->problem;
    seen.well = there->role == ImageRole::replica && there->following;
    if (there->role != ImageRole::replica || !there->newest) return;
    seen.complete_until = there->newest->at;
    seen.behind = std::chrono::milliseconds(
        std::max<std::int64_t>(0, clock_.wall().unix_ms - there->newest->at.unix_ms));
  }

  void measure(const std::string& volume, wire::VolumeSeen& seen) {
    const Instant now = clock_.now();
    {
      const std::lock_guard lock(mutex_);
      const auto [last, first] = measured_.try_emplace(volume, Measured{{}, now});
      seen.used_mib = last->second.used_mib;
      seen.kept = last->second.kept;
      if (!first && now - last->second.at < kMeasureEvery) return;
      last->second.at = now;
    }
    if (const Result<std::uint64_t> used = local_.used_bytes(volume); used) seen.used_mib = *used >> 20;
    if (auto kept = kept_of(volume); kept) seen.kept = std::move(*kept);
    const std::lock_guard lock(mutex_);
    measured_[volume].used_mib = seen.used_mib;
    measured_[volume].kept = seen.kept;
  }

  // Copies that were set aside on the way home.
  Result<std::vector<wire::SnapshotSeen>> kept_of(const std::string& volume) {
    const Result<std::vector<std::string>> images = local_.list();
    if (!images) return failure(images.error());
    std::vector<wire::SnapshotSeen> kept;
    for (const std::string& image : *images)
      if (const auto since = kept_since(image); since && image == kept_name(volume, *since))
        kept.push_back({image, *since});
    return kept;
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
    if (const Result<std::vector<std::string>> fenced = local_.fence(volume); !fenced)
      return failure(fenced.error());
    const std::string kept = kept_name(volume, clock_.wall());
    if (const Status ended = local_.stop_mirroring(volume); !ended) return ended;
    if (const Status renamed = local_.rename(volume, kept); !renamed) return renamed;
    log(LogLevel::info, "storage", "kept", {{"volume", volume}, {"as", kept}});
    return {};
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
  std::mutex mutex_;
  struct Measured {
    std::optional<std::uint64_t> used_mib;
    Instant at;
    std::vector<wire::SnapshotSeen> kept = {};
  };
  std::map<std::string, Measured> measured_;
  std::map<std::string, Instant> snapshots_;  // when each volume's last was taken
  std::unique_ptr<Pump> local_look_;
  std::unique_ptr<Pump> remote_look_;
  std::unique_ptr<Pump> tidy_;
};

}  // namespace

std::unique_ptr<StoragePool> make_rbd_pool(const std::string& name, const RbdPoolConfig& config,
                                           const Clock& clock) {
  return std::make_unique<RbdPool>(name, config, clock);
}

}  // namespace bascule::hostd
