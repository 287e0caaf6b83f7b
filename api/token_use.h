// TokenUse: when each token was used last, and whether its user or its tenant asks too often (a bucket each).
//
// A change costs as much as ten reads: it takes a step of the engine and a write to the disk. So does what is
// refused, because that is audited. Kept in memory, of kMost; what was quiet for longest goes first.
// Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/id.h"
#include "base/time.h"

namespace bascule::api {

class TokenUse {
 public:
  static constexpr std::size_t kMost = 60'000;       // tokens; more than the engine keeps
  static constexpr std::size_t kMostUsers = 60'000;  // and tenants
  static constexpr int kRead = 1;
  static constexpr int kChange = 10;

  struct Caller {
    TokenId token;
    OperatorId user;
    TenantId tenant;
  };
  // Notes a request of that cost. How long to wait before the next try; zero: go on.
  Duration note(const Caller& caller, int cost, Instant now, WallTime wall);
  std::optional<WallTime> last(const TokenId& token) const;  // since the manager began
  // How many reads their user could make at once now, of how many at most, and when all of them.
  struct Left {
    std::int64_t most = 0;
    std::int64_t left = 0;
    Duration full{};
  };
  Left left(const OperatorId& user, Instant now) const;

 private:
  struct Rate {
    Duration each;   // what a read costs of the time
    Duration burst;  // how much can be saved up
  };
  static constexpr Rate kOfUser{20ms, 4s};   // 50 reads a second, 200 at once
  static constexpr Rate kOfTenant{4ms, 8s};  // 250, 2000 at once

  static Duration wait_for(Instant paid_until, Rate rate, int cost, Instant now);
  void pay(const std::string& name, Rate rate, int cost, Instant now);

  mutable std::mutex mutex_;
  std::map<std::string, Instant> paid_until_;  // by user, and by tenant
  std::map<TokenId, WallTime> last_;
};

}  // namespace bascule::api
