// The whole of `bascule`, from its arguments to its exit code.
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"

namespace bascule::cli {

// `arguments` without the program's name.
int run(const std::vector<std::string>& arguments, Session& session);

// All commands as typed, "host attest-down", for the tests.
std::vector<std::string> all_commands();

}  // namespace bascule::cli
