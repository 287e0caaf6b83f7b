// <run_dir>/lease.json: what guard tells hostd, and its own successor.
#pragma once

#include <optional>
#include <string>

#include "base/wire.h"

namespace bascule::guard {

// Replaces the file as a whole; a reader sees the old one or the new one.
Status write_lease_file(const std::string& path, const wire::LeaseFile& file);
// not_found when there is none.
Result<wire::LeaseFile> read_lease_file(const std::string& path);

// The two messages of the lease plane as JSON text.
std::string to_text(const wire::LeaseRequest& request);
Result<wire::LeaseReply> reply_of(const std::string& text);

}  // namespace bascule::guard
