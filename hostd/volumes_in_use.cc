#include "hostd/volumes_in_use.h"

#include <algorithm>

#include "hostd/ceph_copies.h"
#include "hostd/volume_tags.h"

namespace bascule::hostd {
namespace {

// To open an image takes some twenty requests at each cluster.
constexpr Duration kLookAgain = 5s;
constexpr Duration kMeasureEvery = 60s;
// One that is copied, and the one before it: a demotion needs room for a third.
constexpr int kMostUncopied = 2;

}  // namespace

VolumesInUse::VolumesInUse(std::string pool, const RbdPoolConfig& config, Ceph& local, Ceph* remote,
                           RbdTakeover& takeover, const Clock& clock)
    : pool_(std::move(pool)),
      point_every_(config.snapshot_every),
      promised_copies_(config.copies),
      local_(local),
      remote_(remote),
      takeover_(takeover),
      clock_(clock) {}

wire::VolumeSeen VolumesInUse::tend(const std::string& volume, const Tending& tending) {
  if (tending.written) {
    const std::lock_guard lock(mutex_);
    volumes_[volume].written.note(clock_.wall(), *tending.written);
  }
  if (!tending.anew)
    if (auto seen = seen_lately(volume)) return std::move(*seen);
  wire::VolumeSeen seen = look_at(volume, tending.generation);
  const std::lock_guard lock(mutex_);
  volumes_[volume].seen = seen;
  volumes_[volume].seen_at = clock_.now();
  return seen;
}

void VolumesInUse::forget(const std::string& volume) {
  const std::lock_guard lock(mutex_);
  volumes_.erase(volume);
}

// Nothing: it is time to look, or to take the next point.
std::optional<wire::VolumeSeen> VolumesInUse::seen_lately(const std::string& volume) {
  if (!local_.ready()) return std::nullopt;
  const Instant now = clock_.now();
  const std::lock_guard lock(mutex_);
  const Volume& known = volumes_[volume];
  if (!known.seen || now - known.seen_at >= kLookAgain) return std::nullopt;
  if (known.seen->primary.value_or(false) && known.point_at && now - *known.point_at >= point_every_)
    return std::nullopt;
  return known.seen;
}

wire::VolumeSeen VolumesInUse::look_at(const std::string& volume, Generation generation) {
  wire::VolumeSeen seen;
  seen.pool = pool_;
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
  if (const auto by = fetched_by(*here); by && by->generation == generation)
    seen.taken = wire::VolumeTaken{pool_, volume, by->until};
  const bool measured = measure(volume, seen);
  seen.lost = here->role == ImageRole::replica || generation_of(*here) > generation;
  if (here->role == ImageRole::plain || !remote_) return seen;
  if (*seen.primary && here->uncopied < kMostUncopied) take_point_if_due(volume, seen);
  look_there(volume, generation_of(*here), seen);
  if (measured && remote_->ready()) takeover_.heal_there(volume, generation_of(*here));
  return seen;
}

void VolumesInUse::take_point_if_due(const std::string& volume, wire::VolumeSeen& seen) {
  const Instant now = clock_.now();
  {
    const std::lock_guard lock(mutex_);
    std::optional<Instant>& last = volumes_[volume].point_at;
    if (last && now - *last < point_every_) return;
    last = now;
  }
  if (const Status done = local_.take_mirror_snapshot(volume, clock_); !done)
    seen.here = done.error().message;
}

// A cluster that can't be asked has at least what it had.
void VolumesInUse::look_there(const std::string& volume, Generation ours, wire::VolumeSeen& seen) {
  const bool asked = ask_there(volume, ours, seen);
  {
    const std::lock_guard lock(mutex_);
    Volume& known = volumes_[volume];
    if (asked)
      known.complete_until = seen.complete_until;
    else
      seen.complete_until = known.complete_until;
    if (seen.complete_until) seen.behind_bytes = known.written.since(*seen.complete_until);
  }
  if (!seen.complete_until) return;
  seen.behind = std::chrono::milliseconds(
      std::max<std::int64_t>(0, clock_.wall().unix_ms - seen.complete_until->unix_ms));
}

bool VolumesInUse::ask_there(const std::string& volume, Generation ours, wire::VolumeSeen& seen) {
  if (const Status reached = remote_->ready(); !reached) {
    seen.there = reached.error().message;
    return false;
  }
  const Result<ImageState> there = remote_->image(volume);
  if (!there) {
    seen.there = there.error().message;
    return there.error().code == ErrorCode::not_found;
  }
  if (there->role == ImageRole::primary)
    seen.there = generation_of(*there) < ours ? "an older primary, to be overwritten on the way home"
                                              : "primary too: look at it before anything is moved";
  else
    seen.there = there->following ? "follows" : there->problem.empty() ? "begins to follow" : there->problem;
  seen.well = there->role == ImageRole::replica && there->following;
  if (there->role == ImageRole::replica && there->newest) seen.complete_until = there->newest->at;
  return true;
}

// ---- Copies, and what it uses ----

void VolumesInUse::look_at_copies() {
  const auto here = local_.ready() ? ask_copies(local_) : failure(ErrorCode::unavailable, "");
  const auto there = remote_ && remote_->ready() ? ask_copies(*remote_) : failure(ErrorCode::unavailable, "");
  const std::lock_guard lock(mutex_);
  copies_here_ = here ? std::optional(*here) : std::nullopt;
  copies_there_ = there ? std::optional(*there) : std::nullopt;
}

std::string VolumesInUse::too_few_copies() const {
  const std::lock_guard lock(mutex_);
  return copies_here_ ? too_few(*copies_here_, promised_copies_) : "";
}

// Whether it was time to.
bool VolumesInUse::measure(const std::string& volume, wire::VolumeSeen& seen) {
  const Instant now = clock_.now();
  {
    const std::lock_guard lock(mutex_);
    Volume& known = volumes_[volume];
    seen.copies_here = copies_here_;
    seen.copies_there = copies_there_;
    seen.used_mib = known.used_mib;
    seen.kept = known.kept;
    if (known.measured_at && now - *known.measured_at < kMeasureEvery) return false;
    known.measured_at = now;
  }
  if (const Result<std::uint64_t> used = local_.used_bytes(volume); used) seen.used_mib = *used >> 20;
  if (auto kept = kept_of(volume); kept) seen.kept = std::move(*kept);
  const std::lock_guard lock(mutex_);
  volumes_[volume].used_mib = seen.used_mib;
  volumes_[volume].kept = seen.kept;
  return true;
}

// Copies that were set aside on the way home.
Result<std::vector<wire::SnapshotSeen>> VolumesInUse::kept_of(const std::string& volume) {
  const Result<std::vector<std::string>> images = local_.list();
  if (!images) return failure(images.error());
  std::vector<wire::SnapshotSeen> kept;
  for (const std::string& image : *images)
    if (const auto since = kept_since(image); since && image == kept_name(volume, *since))
      kept.push_back({image, *since});
  return kept;
}

}  // namespace bascule::hostd
