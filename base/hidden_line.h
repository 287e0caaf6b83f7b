// One line that isn't shown while it is typed.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include "base/secret.h"

namespace bascule {

// Asks on `err`, where standard input is a terminal (`interactive`), and reads from `in`. Nothing: the line
// is empty, or there is none.
std::optional<Secret> ask_hidden(const std::string& question, std::istream& in, std::ostream& err,
                                 bool interactive);

}  // namespace bascule
