// What Bascule notes in an image's metadata. It travels to the replica with the content.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/wire.h"
#include "hostd/ceph.h"

namespace bascule::hostd {

inline constexpr const char* kVmTag = "bascule.vm";                  // whose it is
inline constexpr const char* kGenerationTag = "bascule.generation";  // that had it last
inline constexpr const char* kClusterTag = "bascule.cluster";        // where that generation had it
// The start that fetched it from the other site, and until when that was complete (ms since 1970, or "all").
inline constexpr const char* kTakenByTag = "bascule.taken_by";
inline constexpr const char* kTakenUntilTag = "bascule.taken_until";
inline constexpr const char* kCustodyTag = "bascule.custody";  // who alone gets inside: base/custody.h
// The snapshot that it is being rolled back to, with other volumes; empty: none.
inline constexpr const char* kRollBackTag = "bascule.rolls_back_to";

// That the image is that VM's, and not another's or nobody's.
Status check_owner(const std::string& pool, const std::string& volume, const ImageState& image,
                   const VmId& vm);

Generation generation_of(const ImageState& image);  // 0: none had it

// What a start that failed since generation `ran` fetched, or one that died before it left its tags.
std::optional<Arrival> fetched_since(const ImageState& image, Generation ran);

// The start that fetched it from the other site last, by its tags, and until when that was complete; absent:
// entirely.
struct FetchedBy {
  Generation generation;
  std::optional<WallTime> until;
};
std::optional<FetchedBy> fetched_by(const ImageState& image);

// Of an image that `generation` begins to use on that cluster.
std::map<std::string, std::string> tags_of_use(Generation generation, const std::string& cluster,
                                               const std::optional<wire::VolumeTaken>& taken);

// A copy that was set aside is an image of its own.
std::string kept_name(const std::string& volume, WallTime since);
std::optional<WallTime> kept_since(const std::string& image);  // none: it is none

// Kept in an object beside the image from before a promotion by force until its tags are set: the promotion
// removes the points that tell how complete the copy is, and its host may die right then.
struct TakeoverNote {
  VmId vm;
  Generation generation;     // of the start that takes it over
  WallTime until;            // when what it has was written, or a little later
  std::uint64_t undone = 0;  // the other site's point that was being copied, and was undone here; or 0
  std::vector<std::string> in_part;  // snapshots that came with it, and are worth nothing
};
template <class V>
void fields(V& v, TakeoverNote& x) {
  v("vm", x.vm);
  v("generation", x.generation);
  v("until", x.until);
  v.optional("undone", x.undone);
  v.optional("in_part", x.in_part);
}
std::string note_of(const std::string& volume);  // the object's name

}  // namespace bascule::hostd
