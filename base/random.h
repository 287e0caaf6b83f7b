// Randomness comes in as an argument: the engine and the simulator take a Random, programs own a
// SystemRandom.
#pragma once

#include <cstdint>
#include <string>

namespace bascule {

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
};

class SystemRandom final : public Random {  // getrandom(2)
 public:
  std::uint64_t next() override;
};

// Version 4 UUID.
std::string make_uuid(Random& random);

}  // namespace bascule
