// The embedded store: one SQLite file for a single manager, durable at each commit.
//
// Beside the database `<path>` stand `<path>.lock` (held by the one process that has it open) and
// `epoch.json` in the same directory, which remembers the highest epoch and revision ever acknowledged. A
// database that is older than `epoch.json`, or is another file than the one it knew, was restored or copied:
// opening it makes the next epoch and writes kRecoveringKey. (The image of a whole machine that is rolled
// back betrays itself only by what the hosts report.)
#pragma once

#include <memory>

#include "base/random.h"
#include "cluster/store.h"

namespace bascule {

// Errors: `conflict` when another process has it open, `corrupt` when the file is damaged or no store of
// ours, `unavailable` when the directory can't be used. Nothing is changed by a failed open.
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path, Random& random);

}  // namespace bascule
