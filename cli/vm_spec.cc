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

bool set_number(std::uint64_t& number, const std::string& text) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

// Whether it is one.
bool set_option(Disk& disk, const std::string& option) {
  const std::size_t equals = option.find('=');
  const std::string value = equals == std::string::npos ? "" : option.substr(equals + 1);
  const std::string name = option.substr(0, equals);
  if (name == "iops") return set_number(disk.iops_limit, value);
  if (name == "mib_per_second") return set_number(disk.mib_per_second_limit, value);
  if (name == "from") disk.from = value;
  if (name == "from") return !value.empty();
  if (option == "qcow2") disk.format = DiskFormat::qcow2;
  return option == "raw" || option == "qcow2";
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
  const std::string what = "--disk \"" + text + "\": ";
  if (parts.size() < 3)
    return failure(ErrorCode::invalid, what + "must be POOL:VOLUME:SIZE, and options as in :qcow2:iops=500");
  const auto size = parse_mib(parts[2]);
  if (!size) return failure(size.error().within("--disk"));
  Disk disk;
  disk.pool = parts[0];
  disk.volume = parts[1];
  disk.size_mib = *size;
  for (std::size_t i = 3; i < parts.size(); ++i)
    if (!set_option(disk, parts[i]))
      return failure(ErrorCode::invalid, what + "\"" + parts[i] +
                                             "\" is none of raw, qcow2, from=TEMPLATE, " +
                                             "iops=NUMBER and mib_per_second=NUMBER");
  return disk;
}

Result<Nic> parse_nic(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (text.empty() || colon == 0)
    return failure(ErrorCode::invalid, "--nic \"" + text + "\": must be BRIDGE or BRIDGE:MAC");
  if (colon == std::string::npos) return Nic{text, "", {}};
  return Nic{text.substr(0, colon), text.substr(colon + 1), {}};
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
