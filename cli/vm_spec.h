// A VmSpec from the words of `bascule vm create`.
#pragma once

#include <string>
#include <vector>

#include "base/model.h"
#include "base/result.h"

namespace bascule::cli {

// "metro:web-1.raw:64", size in MiB or with a unit: 64M, 20G, 1T; a fourth part names the format.
Result<Disk> parse_disk(const std::string& text);
// "br0", "br0:52:54:00:12:34:56"
Result<Nic> parse_nic(const std::string& text);
// "512" (MiB), "512M", "4G", "1T"
Result<std::uint64_t> parse_mib(const std::string& text);

// A specification as JSON, unknown fields refused.
Result<VmSpec> read_spec_file(const std::string& path);

}  // namespace bascule::cli
