// How long the volumes of a lost site take to be the other site's: made here, or taken here, by as many
// threads as hostd has for it.
//
//   bench-rbd-takeover make|take LOCAL.conf REMOTE.conf KEYRINGS VOLUMES
//
// tests/bench/rbd_takeover makes a lab for it.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/time.h"
#include "tests/bench/lab_pool.h"

namespace {

using namespace bascule;
using namespace bascule::hostd;

constexpr int kThreads = 8;

std::string name_of(int number) { return "bench-" + std::to_string(number) + ".raw"; }

Status make(StoragePool& pool, int number) {
  Disk disk;
  disk.pool = pool.name();
  disk.volume = name_of(number);
  disk.size_mib = 1024;
  disk.format = DiskFormat::raw;
  return pool.create({disk, VmId("bench"), true});
}

Status take(StoragePool& pool, int number) {
  const Result<OpenedVolume> opened =
      pool.open(name_of(number), {VmId("bench"), Generation{2}, Generation{1}, wire::Takeover::forced});
  return opened ? Status() : Status(failure(opened.error()));
}

// How many failed.
int by_threads(int volumes, const std::function<Status(int)>& call) {
  std::atomic<int> next{0}, failed{0};
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&] {
      for (int number = next++; number < volumes; number = next++)
        if (const Status done = call(number); !done) {
          std::fprintf(stderr, "%s\n", done.error().message.c_str());
          ++failed;
        }
    });
  threads.clear();
  return failed;
}

}  // namespace

int main(int count, char** words) {
  if (count != 6) return 2;
  const std::vector<std::string> w(words, words + count);
  const SystemClock clock;
  const auto pool = lab_pool(w[2], w[3], w[4], clock);
  if (const Status usable = pool->ready(); !usable) {
    std::fprintf(stderr, "%s\n", usable.error().message.c_str());
    return 1;
  }
  const int volumes = std::stoi(w[5]);
  const auto call = [&](int number) { return w[1] == "make" ? make(*pool, number) : take(*pool, number); };
  // One more first: hostd knows already which cluster answers, a program that just began doesn't.
  if (const Status first = call(volumes); !first) {
    std::fprintf(stderr, "%s\n", first.error().message.c_str());
    return 1;
  }
  const auto began = std::chrono::steady_clock::now();
  const int failed = by_threads(volumes, call);
  std::printf("%s: %d volumes by %d threads, %.2f s, %d failed\n", w[1].c_str(), volumes, kThreads,
              std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(), failed);
  return failed == 0 ? 0 : 1;
}
