// SignInThrottle: who has failed to sign in waits, longer each time, by account and by where they come from.
//
// An account waits half a minute at most, or whoever knows its name could keep its owner out; a source waits
// longer. `now` comes in. Bounded: of each kind kMost are remembered, and the
// fewest failures go first. A source is an IPv4 address, or the /64 of an IPv6 address. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/time.h"

namespace bascule::api {

class SignInThrottle {
 public:
  static constexpr std::size_t kMost = 100'000;
  static constexpr Duration kLongestOfAccount = 30s;
  static constexpr Duration kLongestOfSource = 15min;

  // How long until another try is looked at; zero: now.
  Duration wait(const std::string& account, const std::string& source, Instant now) const;
  void failed(const std::string& account, const std::string& source, Instant now);
  void failed_at(const std::string& source, Instant now);  // nothing of any account
  void succeeded(const std::string& account);              // of the source nothing is forgiven

 private:
  struct Failures {
    int count = 0;
    Instant until;
  };
  class Ledger {
   public:
    Ledger(int free, Duration longest) : free_(free), longest_(longest) {}
    Duration wait(const std::string& name, Instant now) const;
    void add(const std::string& name, Instant now);
    void forget(const std::string& name) { failures_.erase(name); }

   private:
    int free_;  // failures that cost nothing
    Duration longest_;
    std::map<std::string, Failures> failures_;
  };
  mutable std::mutex mutex_;
  Ledger accounts_{3, kLongestOfAccount};
  Ledger sources_{20, kLongestOfSource};  // many may share an address
};

}  // namespace bascule::api
