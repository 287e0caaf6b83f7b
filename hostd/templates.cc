#include "hostd/templates.h"

#include <algorithm>

#include "base/id.h"
#include "hostd/qemu_img.h"

namespace bascule::hostd {
namespace {

bool is_template(const ImageState& image) { return image.tags.contains(kTemplateTag); }

Status check_name(const std::string& name) {
  if (is_valid_name(name)) return {};
  return failure(ErrorCode::invalid, "\"" + name + "\" is no name of a template");
}

Status check_unused(const Ceph& ceph, const std::string& name) {
  const Result<ImageState> there = ceph.image(name);
  if (there) return failure(ErrorCode::conflict, "there is an image " + name + " already");
  return there.error().code == ErrorCode::not_found ? Status() : failure(there.error());
}

Status finish(Ceph& ceph, const std::string& unfinished, const std::string& name, bool mirrored) {
  if (const Status fixed = ceph.take_snapshot(unfinished, kTemplateSnapshot); !fixed) return fixed;
  if (const Status tagged = ceph.set_tags(unfinished, {{kTemplateTag, "1"}}); !tagged) return tagged;
  if (const Status named = ceph.rename(unfinished, name); !named) return named;
  const Status sent = mirrored ? ceph.mirror(name) : Status();
  if (sent) return {};
  const Status undone = ceph.remove(name, 0s);
  return undone ? sent : failure(sent.error().within("left behind, as " + undone.error().message));
}

}  // namespace

Status check_template(const Ceph& ceph, const std::string& name, std::uint64_t volume_bytes) {
  const Result<ImageState> image = ceph.image(name);
  if (!image && image.error().code == ErrorCode::not_found)
    return failure(ErrorCode::invalid,
                   "there is no template " + name + " at this site; `bascule-template list` names them");
  if (!image) return failure(image.error());
  const bool fixed = std::any_of(image->snapshots.begin(), image->snapshots.end(),
                                 [](const ImageSnapshot& each) { return each.name == kTemplateSnapshot; });
  if (image->role == ImageRole::replica && !(image->newest && fixed && is_template(*image)))
    return failure(ErrorCode::unavailable, "template " + name + " is not copied to this site yet");
  if (!is_template(*image)) return failure(ErrorCode::invalid, "image " + name + " is no template");
  if (image->size_bytes <= volume_bytes) return {};
  return failure(ErrorCode::invalid, "template " + name + " has " +
                                         std::to_string((image->size_bytes + (1 << 20) - 1) >> 20) +
                                         " MiB: the volume needs as many");
}

Status import_template(Ceph& ceph, const Ceph* other_site, const std::string& name, const std::string& file) {
  if (const Status named = check_name(name); !named) return named;
  if (const Status unused = check_unused(ceph, name); !unused) return unused;
  if (const Status unused = other_site ? check_unused(*other_site, name) : Status(); !unused)
    return failure(unused.error().within("the other site"));
  const Result<ImageFile> source = inspect_image(file);
  if (!source) return failure(source.error());
  const std::string unfinished = "." + name + ".importing";  // no name that a volume can have
  if (const Status clean = ceph.remove(unfinished, 0s); !clean) return clean;
  if (const Status made = ceph.create({unfinished, source->bytes, {}, false, ""}); !made) return made;
  Status done = copy_to_rbd(file, *source, ceph.address(), unfinished);
  if (done) done = finish(ceph, unfinished, name, other_site != nullptr);
  if (done) return {};
  const Status undone = ceph.remove(unfinished, 0s);
  return undone ? done : failure(done.error().within("image " + unfinished + " is left"));
}

Result<std::vector<Template>> list_templates(const Ceph& ceph) {
  const Result<std::vector<std::string>> names = ceph.list();
  if (!names) return failure(names.error());
  std::vector<Template> found;
  for (const std::string& name : *names) {
    Result<ImageState> image = ceph.image(name);
    if (!image && image.error().code == ErrorCode::not_found) continue;  // gone meanwhile
    if (!image) return failure(image.error());
    if (!is_template(*image)) continue;
    const Result<std::size_t> clones = ceph.clones(name);
    if (!clones) return failure(clones.error());
    found.push_back({name, std::move(*image), *clones});
  }
  return found;
}

Status remove_template(Ceph& ceph, const std::string& name) {
  const Result<ImageState> image = ceph.image(name);
  if (!image) return failure(image.error());
  if (!is_template(*image)) return failure(ErrorCode::invalid, "image " + name + " is no template");
  if (image->role == ImageRole::replica)
    return failure(ErrorCode::conflict, "template " + name + " follows the other site's: remove that one");
  const Result<std::size_t> clones = ceph.clones(name);
  if (!clones) return failure(clones.error());
  if (*clones > 0)
    return failure(ErrorCode::conflict,
                   "template " + name + " is what " + std::to_string(*clones) + " volumes are clones of");
  return ceph.remove(name, kTrashGrace);
}

}  // namespace bascule::hostd
