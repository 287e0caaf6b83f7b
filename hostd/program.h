// Runs another program, such as qemu-img(1), and waits for its end.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace bascule::hostd {

// Its exit code, -1 if a signal ended it; what it prints, up to 16 MiB, goes into `answer`, if there is one.
// `unavailable`: it can't be run.
Result<int> run_program(std::vector<std::string> words, std::string* answer = nullptr);

}  // namespace bascule::hostd
