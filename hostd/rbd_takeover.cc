#include "hostd/rbd_takeover.h"

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "hostd/bounded_call.h"

namespace bascule::hostd {
namespace {

constexpr Duration kArrives = 20s;                // a demotion at the other site, when a fault moves the VM
constexpr Duration kArrivesPlanned = 120s;        // the same, when nothing may be lost
constexpr std::uint64_t kGenerationsRevoked = 4;  // before the one that starts

// None: there is no note, or none of this VM.
Result<std::optional<TakeoverNote>> read_note(const Ceph& cluster, const std::string& volume) {
  const Result<std::string> text = cluster.read_object(note_of(volume));
  if (!text && text.error().code == ErrorCode::not_found) return std::nullopt;
  if (!text) return failure(text.error());
  const Result<TakeoverNote> note = json::decode_text<TakeoverNote>(*text, json::Unknown::tolerate);
  if (!note) return failure(note.error().within(note_of(volume)));
  return *note;
}

}  // namespace

std::string client_of(const VmId& vm, std::uint64_t generation) {
  return "bascule." + vm.value + "." + std::to_string(generation);
}

Status fence_clients(Ceph& cluster, const std::string& volume, const Taking& taking) {
  for (std::uint64_t back = 1; back <= kGenerationsRevoked && back < taking.generation.value; ++back) {
    const Status removed = cluster.remove_client(client_of(taking.vm, taking.generation.value - back));
    if (!removed) return removed;
  }
  return cluster.fence(volume, Ceph::Fenced::guests);
}

Status RbdTakeover::bring_here(const std::string& volume, const Taking& taking,
                               std::optional<wire::VolumeTaken>& taken) {
  const Result<ImageState> here = local_.image(volume);
  if (!here) return failure(here.error());
  if (const Status ours = check_owner(pool_, volume, *here, taking.vm); !ours) return ours;
  if (here->role == ImageRole::replica && taking.takeover == wire::Takeover::none)
    return failure(ErrorCode::conflict, "this site's copy only follows the other site's");
  if (here->role != ImageRole::replica) return check_newest(volume, *here, taking, taken);
  const bool planned = taking.takeover == wire::Takeover::planned;
  const Status clean = take_cleanly(volume, taking, planned ? kArrivesPlanned : kArrives);
  if (!clean && planned) return clean;
  taken = wire::VolumeTaken{pool_, volume, {}};
  if (clean) return {};
  log(LogLevel::warning, "storage", "forced", {{"volume", volume}, {"why", clean.error().message}});
  return take_by_force(volume, taking, *taken);
}

// A copy that is primary here already: of this site's last guest (also when the way home was refused and it
// starts here again), or brought here for a start of ours that failed later, even before it left its tags.
Status RbdTakeover::check_newest(const std::string& volume, const ImageState& here, const Taking& taking,
                                 std::optional<wire::VolumeTaken>& taken) {
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
  taken = wire::VolumeTaken{pool_, volume, {}};
  if (!fetched->all) taken->complete_until = fetched->until;
  return {};
}

// What was fetched here for a start after generation `ran`, by the image's tags and points or by the note.
Result<std::optional<Arrival>> RbdTakeover::arrived_since(const std::string& volume, const ImageState& here,
                                                          const Taking& taking) {
  if (taking.takeover == wire::Takeover::none) return std::nullopt;
  if (generation_of(here) >= taking.ran)
    if (const auto fetched = fetched_since(here, taking.ran)) return fetched;
  const Result<std::optional<TakeoverNote>> note = read_note(local_, volume);
  if (!note) return failure(note.error());
  if (!*note || (*note)->vm != taking.vm || (*note)->generation <= taking.ran) return std::nullopt;
  if (const Status whole = local_.finish_undo(volume, (*note)->in_part); !whole)
    return failure(whole.error());
  return Arrival{(*note)->until, false};
}

// ---- Cleanly ----

// The other site gives the volume up, and all that it had arrives here first. Asked again within the bound
// as long as its storage answers: a call may fail while its cluster recovers.
Status RbdTakeover::take_cleanly(const std::string& volume, const Taking& taking, Duration bound) {
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
Result<MirrorPoint> RbdTakeover::give_up_there(const std::string& volume, const Taking& taking) {
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

Status RbdTakeover::take_what_arrived(const std::string& volume, const MirrorPoint& last) {
  const Result<ImageState> here = local_.image(volume);
  if (!here) return failure(here.error());
  if (here->role == ImageRole::primary) return {};  // by a promotion whose answer got lost
  if (!here->newest || !lacks_nothing_of(*here->newest, last))
    return failure(ErrorCode::conflict, "the other site's last changes didn't arrive");
  return local_.promote(volume, false);
}

// ---- By force ----

Status RbdTakeover::take_by_force(const std::string& volume, const Taking& taking, wire::VolumeTaken& taken) {
  // From here on nothing more arrives. Left alone, rbd-mirror would also hold the promotion up for seconds.
  if (const Status fenced = local_.fence(volume, Ceph::Fenced::everybody); !fenced) return fenced;
  const Result<ImageState> here = local_.image(volume);
  if (!here) return failure(here.error());
  const Result<TakeoverNote> note = make_note(volume, *here, taking);
  if (!note) return failure(note.error());
  // The promotion removes the points that tell how complete the copy is.
  if (const Status noted = local_.write_object(note_of(volume), json::encode_text(*note)); !noted)
    return noted;
  taken.complete_until = note->until;
  log(LogLevel::warning, "storage", "taken_by_force",
      {{"volume", volume},
       {"point", std::to_string(here->newest->primary_snapshot)},
       {"copied_half", here->unfinished ? std::to_string(here->unfinished->primary_snapshot) : "none"}});
  if (here->unfinished) {
    if (const Status undone = local_.undo_unfinished(volume, *here->unfinished); !undone) return undone;
  }
  if (const Status promoted = local_.promote(volume, true); !promoted) return promoted;
  return local_.finish_undo(volume, note->in_part);
}

Result<TakeoverNote> RbdTakeover::make_note(const std::string& volume, const ImageState& here,
                                            const Taking& taking) {
  if (!here.newest) return failure(ErrorCode::conflict, "this site's copy was never complete");
  const Result<std::optional<TakeoverNote>> earlier = read_note(local_, volume);
  if (!earlier) return failure(earlier.error());
  TakeoverNote note{taking.vm, taking.generation, here.newest->at, 0, {}};
  const bool begun = *earlier && (*earlier)->vm == taking.vm && (*earlier)->generation > taking.ran;
  if (begun && (*earlier)->undone != 0) {
    if (here.newest->primary_snapshot > (*earlier)->undone)
      return failure(
          ErrorCode::conflict,
          "a take-over was begun here and left, and rbd-mirror went on afterwards: this copy can't be "
          "trusted; start the VM at the other site, which then has a new one made");
    note = **earlier;
    note.generation = taking.generation;
  }
  if (!here.unfinished) return note;
  note.undone = here.unfinished->primary_snapshot;
  // Nothing here tells when the point before was taken.
  if (here.unfinished->one_older)
    note.until.unix_ms -= std::chrono::duration_cast<std::chrono::milliseconds>(point_every_).count();
  const auto& in_part = here.unfinished->in_part;
  note.in_part.insert(note.in_part.end(), in_part.begin(), in_part.end());
  return note;
}

void RbdTakeover::heal_there(const std::string& volume, Generation generation) {
  const Result<std::optional<TakeoverNote>> note = read_note(*remote_, volume);
  if (!note || !*note || (*note)->generation >= generation) return;
  const bool wrong = (*note)->undone != 0;
  const Status anew = wrong ? remote_->copy_anew(volume) : Status();
  log(LogLevel::warning, "storage", "unused_takeover",
      {{"volume", volume}, {"copied_anew", wrong ? (anew ? "yes" : anew.error().message) : "no"}});
  if (anew) remote_->remove_object(note_of(volume));
}

}  // namespace bascule::hostd
