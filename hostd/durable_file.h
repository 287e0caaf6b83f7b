// A small file that is either the old or the new version, whatever happens: temporary file, fsync, rename,
// fsync of the folder.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace bascule::hostd {

Status write_durably(const std::string& path, std::string_view text);
// `not_found` when there is none; `exhausted` above `limit` bytes.
Result<std::string> read_whole(const std::string& path, std::size_t limit);

}  // namespace bascule::hostd
