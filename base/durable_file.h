// Small files that outlive a loss of power.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace bascule {

// Either the old or the new version, whatever happens: temporary file, fsync, rename, fsync of the folder.
Status write_durably(const std::string& path, std::string_view text);
Status append_durably(const std::string& path, std::string_view text);  // mode 0600 when it is new
// `not_found` when there is none; `exhausted` above `limit` bytes.
Result<std::string> read_whole(const std::string& path, std::size_t limit);

}  // namespace bascule
