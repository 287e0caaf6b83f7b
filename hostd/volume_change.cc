#include "hostd/volume_change.h"

#include <algorithm>
#include <string>

#include "hostd/volume_tags.h"

namespace bascule::hostd {
namespace {

bool has(const ImageState& image, const std::string& snapshot) {
  return std::any_of(image.snapshots.begin(), image.snapshots.end(),
                     [&](const ImageSnapshot& each) { return each.name == snapshot; });
}

}  // namespace

Status can_apply(const ImageState& image, const wire::TakeSnapshot& change) {
  if (!is_valid_name(change.name))
    return failure(ErrorCode::invalid, "\"" + change.name + "\" is no name of a snapshot");
  if (!has(image, change.name)) return {};
  return failure(ErrorCode::conflict, "it has a snapshot " + change.name + " already");
}

Status can_apply(const ImageState& image, const wire::RemoveSnapshot& change) {
  if (has(image, change.name)) return {};
  return failure(ErrorCode::not_found, "it has no snapshot " + change.name);
}

Status can_apply(const ImageState& image, const wire::RollBack& change) {
  if (has(image, change.name)) return {};
  return failure(ErrorCode::not_found, "it has no snapshot " + change.name);
}

Status check_whole(const ImageState& image) {
  const auto begun = image.tags.find(kRollBackTag);
  if (begun == image.tags.end() || begun->second.empty()) return {};
  return failure(ErrorCode::conflict,
                 "a roll back to snapshot " + begun->second +
                     " was begun and didn't end: `bascule vm snapshot rollback` it again");
}

Status can_apply(const ImageState&, const wire::Deliver&) { return {}; }

Status can_apply(const ImageState& image, const wire::Grow& change) {
  if (change.size_mib << 20 >= image.size_bytes) return {};
  return failure(ErrorCode::invalid, "it has " + std::to_string(image.size_bytes >> 20) +
                                         " MiB and can't shrink: what lies beyond would be lost");
}

}  // namespace bascule::hostd
