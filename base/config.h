// Configuration: one TOML file per program, decoded into the program's own struct (base/config_load.h).
//
// The struct says everything once, by fields(): names, types, which keys are required. An unknown key is an
// error, because a misspelt one would silently mean a default. All errors are collected, one per line, in the
// order of the file:
//   manager.toml:12: policy.hearbeat_ms: is not a known key
#pragma once

#include <string>

#include "base/result.h"

namespace bascule {

// For --check-config: says "<path>: no errors" on standard output, or the errors on standard error.
// Returns the program's exit code: 0, or 2.
int report_config_check(const std::string& path, const Status& loaded);

template <class T>
int report_config_check(const std::string& path, const Result<T>& loaded) {
  return report_config_check(path, loaded ? Status() : Status(failure(loaded.error())));
}

}  // namespace bascule
