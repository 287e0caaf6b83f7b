#include "cli/vm_spec.h"

#include <charconv>
#include <fstream>
#include <iterator>

#include "base/json.h"

namespace bascule::cli {
namespace {

constexpr std::size_t kLargestFile = 1024 * 1024;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == ':')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

}  // namespace

Result<std::uint64_t> parse_mib(const std::string& text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const std::string unit(parsed.ptr, end);
  std::uint64_t factor = 0;
  if (unit.empty() || unit == "M" || unit == "MiB") factor = 1;
  if (unit == "G" || unit == "GiB") factor = 1024;
  if (unit == "T" || unit == "TiB") factor = 1024 * 1024;
  if (parsed.ec != std::errc() || factor == 0 || number > UINT64_MAX / factor)
    return failure(ErrorCode::invalid,
                   "\"" + text + "\" is no size: give MiB, or a unit as in 512M, 20G, 1T");
  return number * factor;
}

Result<Disk> parse_disk(const std::string& text) {
  const auto parts = split(text);
  if (parts.size() < 3 || parts.size() > 4)
    return failure(ErrorCode::invalid,
                   "--disk \"" + text + "\": must be POOL:VOLUME:SIZE or POOL:VOLUME:SIZE:FORMAT");
  const auto size = parse_mib(parts[2]);
  if (!size) return failure(size.error().within("--disk"));
  Disk disk{parts[0], parts[1], *size, DiskFormat::raw};
  if (parts.size() == 3) return disk;
  if (parts[3] != "raw" && parts[3] != "qcow2")
    return failure(ErrorCode::invalid, "--disk \"" + text + "\": the format must be raw or qcow2");
  disk.format = parts[3] == "raw" ? DiskFormat::raw : DiskFormat::qcow2;
  return disk;
}

Result<Nic> parse_nic(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (text.empty() || colon == 0)
    return failure(ErrorCode::invalid, "--nic \"" + text + "\": must be BRIDGE or BRIDGE:MAC");
  if (colon == std::string::npos) return Nic{text, ""};
  return Nic{text.substr(0, colon), text.substr(colon + 1)};
}

Result<VmSpec> read_spec_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return failure(ErrorCode::not_found, path + " can't be read");
  std::string content(kLargestFile + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (content.size() > kLargestFile) return failure(ErrorCode::exhausted, path + " is larger than 1 MiB");
  auto spec = json::decode_text<VmSpec>(content, json::Unknown::refuse);
  if (!spec) return failure(spec.error().within(path));
  return spec;
}

}  // namespace bascule::cli
