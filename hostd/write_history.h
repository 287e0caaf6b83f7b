// How much a guest has written to a volume, and when: so that the data which the other site doesn't have yet
// can be told in bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/time.h"

namespace bascule::hostd {

class WriteHistory {
 public:
  // `written`: all bytes since the guest's QEMU began. A count that went down is another QEMU's: what was
  // before is forgotten.
  void note(WallTime at, std::uint64_t written);
  // What was written after `then`, at most: what was written twice counts twice. Nothing: not known so far
  // back. `then` never goes back, and what was before it is forgotten.
  std::optional<std::uint64_t> since(WallTime then);

 private:
  struct Moment {
    WallTime at;
    std::uint64_t written;
  };
  std::deque<Moment> moments_;  // oldest first, the farther apart the longer ago the first is; when it is
                                // full every second one goes
  std::uint64_t latest_ = 0;
};

}  // namespace bascule::hostd
