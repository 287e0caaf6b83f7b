#include "tests/fuzz/fuzz.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace fuzz {
namespace {

constexpr std::size_t kLongest = 64 * 1024;

// The input under way in a shared mapping: whatever ends the process, the file has it.
class LastInput {
 public:
  LastInput() : path_((std::filesystem::temp_directory_path() / "bascule-fuzz-input").string()) {
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(file_ >= 0);
    REQUIRE(ftruncate(file_, static_cast<off_t>(kLongest)) == 0);
    void* mapped = mmap(nullptr, kLongest, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    REQUIRE(mapped != MAP_FAILED);
    memory_ = static_cast<char*>(mapped);
  }
  ~LastInput() {
    munmap(memory_, kLongest);
    close(file_);
    unlink(path_.c_str());
  }
  LastInput(const LastInput&) = delete;
  LastInput& operator=(const LastInput&) = delete;

  void note(const std::string& input) {
    const std::size_t size = std::min(input.size(), kLongest);
    std::memcpy(memory_, input.data(), size);
    std::memset(memory_ + size, 0, std::min<std::size_t>(16, kLongest - size));
  }

 private:
  std::string path_;
  int file_ = -1;
  char* memory_ = nullptr;
};

std::uint64_t environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Numbers at the edges of the types that they may be read into.
constexpr std::array<std::string_view, 10> kNumbers = {"0",
                                                       "-1",
                                                       "65536",
                                                       "2147483648",
                                                       "4294967296",
                                                       "9223372036854775807",
                                                       "-9223372036854775808",
                                                       "18446744073709551616",
                                                       "1e999",
                                                       "99999999999999999999999"};

std::string piece_of(const std::string& text, Dice& dice) {
  if (text.empty()) return text;
  return text.substr(dice.below(text.size()), 1 + dice.below(40));
}

void change(std::string& text, const Corpus& corpus, Dice& dice) {
  const std::size_t place = dice.below(text.size() + 1);
  const auto any = [&dice](const auto& list) { return list[dice.below(list.size())]; };
  switch (dice.below(10)) {
    case 0:
      if (place < text.size()) text[place] = static_cast<char>(dice.below(256));
      break;
    case 1:
      if (place < text.size()) text[place] = static_cast<char>(text[place] ^ (1 << dice.below(8)));
      break;
    case 2:
      text.erase(place, 1 + dice.below(12));
      break;
    case 3:
      text.insert(place, piece_of(text, dice));
      break;
    case 4:
      text.insert(place, piece_of(any(corpus.good), dice));
      break;
    case 5:
      text.insert(place, any(corpus.words));
      break;
    case 6:
      text.replace(place, dice.below(8), any(corpus.words));
      break;
    case 7:
      text.insert(place, any(kNumbers));
      break;
    case 8:  // a run: nesting, padding
      for (std::uint64_t left = dice.below(200); left > 0; --left) text.insert(place, any(corpus.words));
      break;
    default:
      if (dice.below(4) == 0) text.resize(place);
      break;
  }
}

}  // namespace

Dice::Dice() : state_(0x853c49e6748fea9bULL + environment("BASCULE_FUZZ_SEED", 0) * 0x9e3779b97f4a7c15ULL) {
  if (state_ == 0) state_ = 1;  // where xorshift would stay
}

std::uint64_t Dice::below(std::uint64_t bound) {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_ % bound;
}

std::string damage(const Corpus& corpus, Dice& dice) {
  std::string text = corpus.good[dice.below(corpus.good.size())];
  for (auto left = 1 + dice.below(8); left > 0; --left) change(text, corpus, dice);
  text.resize(std::min(text.size(), kLongest));
  return text;
}

int times(int rounds) { return rounds * static_cast<int>(environment("BASCULE_FUZZ_TIMES", 1)); }

void run(const Corpus& corpus, int rounds, const std::function<void(const std::string&)>& parse) {
  LastInput last;
  Dice dice;
  const auto try_one = [&](const std::string& input) {
    last.note(input);
    const auto before = std::chrono::steady_clock::now();
    parse(input);
    const auto took = std::chrono::steady_clock::now() - before;
    if (took > std::chrono::seconds(2)) FAIL_CHECK("takes too long: ", input);
  };
  for (const std::string& input : corpus.good) try_one(input);
  for (int left = times(rounds); left > 0; --left) try_one(damage(corpus, dice));
}

}  // namespace fuzz
