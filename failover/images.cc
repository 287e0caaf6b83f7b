#include "failover/images.h"

#include <fmt/format.h>

#include <algorithm>

#include "failover/access/quota.h"

namespace bascule {
namespace {

constexpr std::size_t kMostImages = 100;                         // of one tenant
constexpr std::uint64_t kLargestImage = std::uint64_t{1} << 40;  // bytes
constexpr std::int64_t kLongestAnnounced_ms = 24LL * 3600 * 1000;

std::string subject_of(const TenantImage& image) { return "image/" + image.id.value; }

std::string problem_of(const State& state, const TenantImage& image) {
  if (!is_valid_uuid(image.id.value) || state.directory.images.contains(image.id))
    return "id: must be a new UUID";
  if (!is_valid_name(image.name))
    return "name: must be letters, digits, '-', '_' and '.', beginning with a letter or digit";
  if (image.bytes == 0 || image.bytes > kLargestImage) return "bytes: must be from 1 to 2^40";
  const bool digest =
      image.sha256.size() == 64 && image.sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
  return digest ? "" : "sha256: must be 64 hexadecimal digits, in lower case";
}

std::size_t count_images(const State& state, const TenantId& tenant) {
  return static_cast<std::size_t>(
      std::count_if(state.directory.images.begin(), state.directory.images.end(),
                    [&](const auto& entry) { return entry.second.tenant == tenant; }));
}

// The machine that reads it as a CD.
const Vm* reader_of(const State& state, const TenantImage& image) {
  for (const auto& [id, vm] : state.vms)
    if (vm.record.spec.cdrom && vm.record.spec.cdrom->image == wire::template_of(image.id, image.sha256))
      return &vm;
  return nullptr;
}

void set_phase(Turn& turn, TenantImage& image, ImagePhase phase, std::string problem) {
  image.phase = phase;
  image.problem = std::move(problem);
  turn.touch(image);
}

}  // namespace

const TenantImage* image_of(const State& state, const TenantId& tenant, const std::string& name) {
  const auto& images = state.directory.images;
  const auto found = std::find_if(images.begin(), images.end(), [&](const auto& entry) {
    return entry.second.tenant == tenant && entry.second.name == name;
  });
  return found == images.end() ? nullptr : &found->second;
}

std::optional<Cdrom> cdrom_of(const State& state, const TenantId& tenant, const std::string& name) {
  const TenantImage* image = image_of(state, tenant, name);
  if (!image || image->kind != wire::ImageKind::iso || image->phase != ImagePhase::ready) return std::nullopt;
  return Cdrom{image->pool, wire::template_of(image->id, image->sha256)};
}

const Host* keeper_of_image(const State& state, const TenantImage& image) {
  const Host* other = nullptr;
  for (const auto& [id, host] : state.hosts) {
    if (!is_usable(host) || (image.site && host.record.site != *image.site)) continue;
    const auto site = state.sites.find(host.record.site);
    if (site != state.sites.end() && site->second.primary) return &host;
    other = other ? other : &host;
  }
  return other;
}

void announce_image(Turn& turn, const AnnounceImage& asked) {
  const TenantImage& image = asked.image;
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "announce_image", subject_of(image), {code, std::move(words)});
  };
  if (!turn.state.directory.tenants.contains(image.tenant))
    return refuse(ErrorCode::not_found, "no tenant " + image.tenant.value);
  if (std::string problem = problem_of(turn.state, image); !problem.empty())
    return refuse(ErrorCode::invalid, std::move(problem));
  if (image_of(turn.state, image.tenant, image.name))
    return refuse(ErrorCode::conflict, "name: an image named " + image.name + " exists, choose another");
  if (count_images(turn.state, image.tenant) >= kMostImages)
    return refuse(ErrorCode::exhausted, "you have 100 images: remove some first");
  if (const std::string over =
          why_over_quota(turn.state, asked.asked, image.tenant, {0, 0, 0, storage_of(image)});
      !over.empty())
    return refuse(ErrorCode::policy, over);
  TenantImage& made = turn.state.directory.images[image.id];
  made = image;
  made.phase = ImagePhase::announced;
  made.created = turn.wall;
  turn.touch(made);
  turn.log(asked.asked, "announce_image", subject_of(made), Reason::requested, "",
           {{"name", made.name}, {"bytes", std::to_string(made.bytes)}, {"sha256", made.sha256}});
  turn.answer(asked.asked.request, made.id.value);
}

void remove_image(Turn& turn, const RemoveImageAsked& asked) {
  const auto found = turn.state.directory.images.find(asked.image);
  const std::string subject = "image/" + asked.image.value;
  if (found == turn.state.directory.images.end())
    return turn.refuse(asked.asked, "remove_image", subject,
                       {ErrorCode::not_found, "there is no such image"});
  TenantImage& image = found->second;
  if (const Vm* reader = reader_of(turn.state, image))
    return turn.refuse(asked.asked, "remove_image", subject,
                       {ErrorCode::conflict, name_in_tenant(reader->record.spec) + " has it in its drive"});
  set_phase(turn, image, ImagePhase::removing, "");
  turn.log(asked.asked, "remove_image", subject, Reason::requested, "", {{"name", image.name}});
  turn.answer(asked.asked.request, asked.image.value);
}

void on_image_seen(Turn& turn, const HostImageSeen& event) {
  const wire::ImageSeen& seen = event.seen;
  const auto found = turn.state.directory.images.find(seen.image);
  const Host* host = turn.find_host(event.from.host);
  if (found == turn.state.directory.images.end() || !host) return;
  TenantImage& image = found->second;
  const bool removing = image.phase == ImagePhase::removing;
  const auto log = [&](const char* what) {
    turn.log(what, subject_of(image), Reason::requested, seen.why,
             {{"name", image.name}, {"tenant", image.tenant.value}, {"host", event.from.host.value}});
  };
  if (seen.end == wire::ImageEnd::removed && removing) {
    log("image_removed");
    turn.touch(image);
    turn.state.directory.images.erase(found);
  } else if (seen.end == wire::ImageEnd::kept && removing) {
    set_phase(turn, image, image.size_mib > 0 ? ImagePhase::ready : ImagePhase::announced, seen.why);
    log("image_kept");
  } else if (seen.end == wire::ImageEnd::stored && image.phase == ImagePhase::announced) {
    image.size_mib = seen.size_mib;
    image.site = host->record.site;
    set_phase(turn, image, ImagePhase::ready, "");
    log("image_stored");
  } else if (seen.end == wire::ImageEnd::refused && image.phase == ImagePhase::announced) {
    set_phase(turn, image, ImagePhase::announced, seen.why);
    log("image_refused");
  }
}

void expire_images(Turn& turn) {
  for (auto& [id, image] : turn.state.directory.images) {
    const bool late = image.phase == ImagePhase::announced &&
                      turn.wall.unix_ms - image.created.unix_ms > kLongestAnnounced_ms;
    if (!late || turn.full()) continue;
    set_phase(turn, image, ImagePhase::removing, "it was announced, and not sent within a day");
    turn.log("remove_image", subject_of(image), Reason::requested, image.problem, {{"name", image.name}});
  }
}

}  // namespace bascule
