// Timeline: simulated time. Things happen in order of their instant, and among equals in the order they were
// planned.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "base/random.h"
#include "base/time.h"

namespace bascule::sim {

class Timeline final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override {
    return {1'800'000'000'000 +
            std::chrono::duration_cast<std::chrono::milliseconds>(now_.since_start).count()};
  }

  void at(Instant when, std::function<void()> what) {
    planned_.push({std::max(when, now_), ++count_, std::move(what)});
  }
  void after(Duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }

  // Lets the next thing happen, unless it lies beyond `end`.
  bool advance(Instant end) {
    if (planned_.empty() || planned_.top().when > end) {
      now_ = end;
      return false;
    }
    // top() is const because the order must not change; the function is taken out just before it goes.
    Planned next = std::move(const_cast<Planned&>(planned_.top()));
    planned_.pop();
    now_ = next.when;
    next.what();
    return true;
  }

 private:
  struct Planned {
    Instant when;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Planned& other) const {
      return std::tie(other.when, other.order) < std::tie(when, order);  // the earliest on top
    }
  };
  Instant now_;
  std::uint64_t count_ = 0;
  std::priority_queue<Planned> planned_;
};

// The one source of chance of a run: the same seed, the same run. SplitMix64 (Steele, Lea, Flood 2014).
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }
  Duration between(Duration least, Duration most) {
    return least +
           Duration(static_cast<std::int64_t>(below(static_cast<std::uint64_t>((most - least).count()) + 1)));
  }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  std::uint64_t state_;
};

}  // namespace bascule::sim
