// What guard asks of the kernel for itself, so that a busy or starved host doesn't hold it up.
#pragma once

#include <string>

#include "base/id.h"
#include "base/result.h"

namespace bascule::guard {

// The only guard of this run_dir, for the life of the process. hostd may test the lock.
Status be_the_only_guard(const std::string& run_dir);

// Locked memory, real-time priority, last in line for the OOM killer. What isn't permitted is logged and done
// without. Before any thread is started.
void claim_resources();

Result<BootId> read_boot_id();

}  // namespace bascule::guard
