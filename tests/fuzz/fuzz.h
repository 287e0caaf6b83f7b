// Fuzz: a parser gets thousands of damaged copies of good input, and inputs that were never good. It may
// refuse them, in words; it may not crash, hang, or break a property that the test names.
//
// Deterministic: a failure repeats. Longer hunts, and another seed:
//   BASCULE_FUZZ_TIMES=100 BASCULE_FUZZ_SEED=7 build/dev/bin/test-fuzz -tc="*TOML*"
// The input that is being parsed stands in $TMPDIR/bascule-fuzz-input, also after a crash.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace fuzz {

class Dice {
 public:
  Dice();                                    // by BASCULE_FUZZ_SEED
  std::uint64_t below(std::uint64_t bound);  // bound > 0

 private:
  std::uint64_t state_;
};

struct Corpus {
  std::vector<std::string> good;   // at least one
  std::vector<std::string> words;  // of the language: keys, tags, marks; at least one
};

// One to eight changes of bytes, pieces, words and numbers; the result is at most 64 KiB.
std::string damage(const Corpus& corpus, Dice& dice);

// Calls `parse` with each good input as it is, then `rounds` × BASCULE_FUZZ_TIMES times with damaged ones.
// Fails the doctest test when one call takes more than two seconds.
void run(const Corpus& corpus, int rounds, const std::function<void(const std::string&)>& parse);

// Times BASCULE_FUZZ_TIMES.
int times(int rounds);

}  // namespace fuzz
