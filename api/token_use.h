// TokenUse: when each token was used last, and whether it asks too often (a token bucket each).
//
// Kept in memory, of kMost tokens; the one that was quiet for longest goes first. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "base/id.h"
#include "base/time.h"

namespace bascule::api {

class TokenUse {
 public:
  static constexpr std::size_t kMost = 60'000;  // more than the engine keeps
  static constexpr Duration kEach = 20ms;       // a request's share: 50 a second
  static constexpr Duration kBurst = 4s;        // 200 at once

  // Notes a request. How long to wait before the next try; zero: go on.
  Duration note(const TokenId& token, Instant now, WallTime wall);
  std::optional<WallTime> last(const TokenId& token) const;  // since the manager began

 private:
  struct Use {
    Instant paid_until;
    WallTime last;
  };
  mutable std::mutex mutex_;
  std::map<TokenId, Use> uses_;
};

}  // namespace bascule::api
