// A child process with bounded time and output, for fence agents.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace bascule {

struct ProgramOutput {
  int exit_code = 0;
  std::string text;    // standard output, at most 64 KiB
  std::string errors;  // standard error, the same
};

// Runs argv[0] (found in the usual system directories) with `input` on its standard input and an environment
// without anything of ours. Blocks until it has exited; at `limit`, or when `stop` is requested, it and the
// children in its process group are killed. Errors: `timeout` (it may have done its work), `unavailable` (it
// can't be started, was killed by a signal, or a stop was requested).
Result<ProgramOutput> run_program(const std::vector<std::string>& argv, const std::string& input,
                                  Duration limit, const std::stop_token& stop);

}  // namespace bascule
