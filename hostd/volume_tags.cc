#include "hostd/volume_tags.h"

#include <charconv>
#include <string_view>

namespace bascule::hostd {
namespace {

constexpr std::string_view kKeptMark = ".kept.";  // and seconds since 1970

std::optional<std::int64_t> number_in(const ImageState& image, const char* name) {
  const auto tag = image.tags.find(name);
  if (tag == image.tags.end()) return std::nullopt;
  std::int64_t value = 0;
  const char* end = tag->second.data() + tag->second.size();
  const auto parsed = std::from_chars(tag->second.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(value) : std::nullopt;
}

}  // namespace

Status check_owner(const std::string& pool, const std::string& volume, const ImageState& image,
                   const VmId& vm) {
  const auto tag = image.tags.find(kVmTag);
  if (tag != image.tags.end() && tag->second == vm.value) return {};
  return failure(ErrorCode::invalid, "image " + volume + " of pool " + pool +
                                         (tag == image.tags.end() ? " was not made by Bascule"
                                                                  : " belongs to VM " + tag->second) +
                                         "; give the VM another volume, or import the image");
}

Generation generation_of(const ImageState& image) {
  return Generation(static_cast<std::uint64_t>(number_in(image, kGenerationTag).value_or(0)));
}

std::optional<Arrival> fetched_since(const ImageState& image, Generation ran) {
  const auto by = number_in(image, kTakenByTag);
  if (generation_of(image) == ran) return image.arrived;
  if (!by || static_cast<std::uint64_t>(*by) <= ran.value) return std::nullopt;
  const auto until = number_in(image, kTakenUntilTag);
  return Arrival{{until.value_or(0)}, !until};
}

std::optional<FetchedBy> fetched_by(const ImageState& image) {
  const auto by = number_in(image, kTakenByTag);
  if (!by) return std::nullopt;
  const auto until = number_in(image, kTakenUntilTag);
  return FetchedBy{Generation(static_cast<std::uint64_t>(*by)),
                   until ? std::optional(WallTime{*until}) : std::nullopt};
}

std::map<std::string, std::string> tags_of_use(Generation generation, const std::string& cluster,
                                               const std::optional<wire::VolumeTaken>& taken) {
  std::map<std::string, std::string> tags{{kGenerationTag, std::to_string(generation.value)},
                                          {kClusterTag, cluster}};
  if (!taken) return tags;
  tags[kTakenByTag] = tags[kGenerationTag];
  tags[kTakenUntilTag] = taken->complete_until ? std::to_string(taken->complete_until->unix_ms) : "all";
  return tags;
}

std::string kept_name(const std::string& volume, WallTime since) {
  return volume + std::string(kKeptMark) + std::to_string(since.unix_ms / 1000);
}

std::optional<WallTime> kept_since(const std::string& image) {
  const std::size_t mark = image.rfind(kKeptMark);
  if (mark == std::string::npos) return std::nullopt;
  std::int64_t seconds = 0;
  const char* const end = image.data() + image.size();
  const auto parsed = std::from_chars(image.data() + mark + kKeptMark.size(), end, seconds);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(WallTime{seconds * 1000})
                                                       : std::nullopt;
}

std::string note_of(const std::string& volume) { return "bascule.takeover." + volume; }

}  // namespace bascule::hostd
