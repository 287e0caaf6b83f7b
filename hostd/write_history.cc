#include "hostd/write_history.h"

namespace bascule::hostd {
namespace {

constexpr std::size_t kMost = 512;
constexpr std::int64_t kSteps = 128;  // of the time that is remembered

}  // namespace

void WriteHistory::note(WallTime at, std::uint64_t written) {
  if (written < latest_) moments_.clear();
  latest_ = written;
  const bool early = !moments_.empty() && at.unix_ms - moments_.back().at.unix_ms <
                                              (at.unix_ms - moments_.front().at.unix_ms) / kSteps;
  if (early) return;
  if (moments_.size() >= kMost) {
    std::deque<Moment> thinned;
    for (std::size_t i = 0; i < moments_.size(); i += 2) thinned.push_back(moments_[i]);
    moments_.swap(thinned);
  }
  moments_.push_back({at, written});
}

std::optional<std::uint64_t> WriteHistory::since(WallTime then) {
  while (moments_.size() > 1 && moments_[1].at <= then) moments_.pop_front();
  if (moments_.empty() || moments_.front().at > then) return std::nullopt;
  return latest_ - moments_.front().written;
}

}  // namespace bascule::hostd
