// Parsers against damaged input: thousands of mutations of good messages. Nothing may crash, and what is
// refused says why.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "base/wire.h"

using namespace bascule;

namespace {

// xorshift64 with a fixed seed: a failure repeats.
class Dice {
 public:
  std::uint64_t below(std::uint64_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % bound;
  }

 private:
  std::uint64_t state_ = 0x853c49e6748fea9bULL;
};

std::vector<std::string> good_messages() {
  wire::Hello hello;
  hello.host = HostId("paris-1");
  hello.domains.push_back(
      {VmId("00000000-0000-4000-8000-000000000001"), Generation(4), wire::DomainState::running, "é"});
  wire::Command command;
  wire::StartVm start;
  start.spec.name = "web-1";
  start.spec.disks.push_back({"metro", "web-1.raw", 64, DiskFormat::raw});
  command.order = start;
  return {json::encode_text(wire::FromHost(hello)), json::encode_text(wire::FromHost(wire::Heartbeat{})),
          json::encode_text(
              wire::FromHost(wire::CommandReply{ActionId("a"), Error{ErrorCode::timeout, "late"}, {}})),
          json::encode_text(wire::FromManager(command)), json::encode_text(wire::LeaseRequest{})};
}

std::string damage(std::string text, Dice& dice) {
  const auto times = 1 + dice.below(4);
  for (std::uint64_t i = 0; i < times && !text.empty(); ++i) {
    const std::size_t place = dice.below(text.size());
    switch (dice.below(5)) {
      case 0:
        text[place] = static_cast<char>(dice.below(256));
        break;
      case 1:
        text.erase(place, 1 + dice.below(8));
        break;
      case 2:
        text.insert(place, text.substr(dice.below(text.size()), dice.below(20)));
        break;
      case 3:
        text.insert(place, "99999999999999999999999");
        break;
      default:
        text.resize(place);
        break;
    }
  }
  return text;
}

template <class T>
void decode_or_complain(const std::string& text) {
  const auto decoded = json::decode_text<T>(text, json::Unknown::tolerate);
  if (!decoded) CHECK_FALSE(decoded.error().message.empty());
}

}  // namespace

TEST_CASE("damaged wire messages are refused with words, never a crash") {
  Dice dice;
  const auto messages = good_messages();
  for (int i = 0; i < 10'000; ++i) {
    const std::string text = damage(messages[dice.below(messages.size())], dice);
    decode_or_complain<wire::FromHost>(text);
    decode_or_complain<wire::FromManager>(text);
    decode_or_complain<wire::LeaseRequest>(text);
  }
}
