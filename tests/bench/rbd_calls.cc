// What a pool's calls cost beside the librbd calls that they can't do without: both, by turns, in one
// process.
//
//   bench-rbd-calls LOCAL.conf REMOTE.conf KEYRINGS TEMPLATE ROUNDS
//
// KEYRINGS: folder with <site>.client.bascule.keyring. tests/bench/rbd_calls makes a lab for it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <rados/librados.hpp>
#include <rbd/librbd.hpp>
#include <string>
#include <vector>

#include "base/time.h"
#include "tests/bench/lab_pool.h"

namespace {

using namespace bascule;
using namespace bascule::hostd;

constexpr std::uint64_t kMib = 1024;
constexpr std::uint64_t kFeatures = RBD_FEATURE_LAYERING | RBD_FEATURE_EXCLUSIVE_LOCK |
                                    RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_FAST_DIFF | RBD_FEATURE_DEEP_FLATTEN;

struct Plain {
  librados::Rados cluster;
  librados::IoCtx pool;
  librbd::RBD rbd;

  int connect(const CephAddress& address) {
    int r = cluster.init(address.user.c_str());
    if (r >= 0) r = cluster.conf_read_file(address.conf.c_str());
    if (r >= 0) r = cluster.conf_set("keyring", address.keyring.c_str());
    if (r >= 0) r = cluster.conf_set("rbd_default_clone_format", "2");
    if (r >= 0) r = cluster.connect();
    return r < 0 ? r : cluster.ioctx_create(address.pool.c_str(), pool);
  }
  int mirror(const std::string& name) {
    librbd::Image image;
    const int r = rbd.open(pool, image, name.c_str());
    return r < 0 ? r : image.mirror_image_enable2(RBD_MIRROR_IMAGE_MODE_SNAPSHOT);
  }
  int create(const std::string& name) {
    int order = 22;
    const int r = rbd.create2(pool, name.c_str(), kMib << 20, kFeatures, &order);
    return r < 0 ? r : mirror(name);
  }
  int clone(const std::string& name, const std::string& from) {
    librbd::ImageOptions options;
    const int r = rbd.clone3(pool, from.c_str(), "template", pool, name.c_str(), options);
    return r < 0 ? r : mirror(name);
  }
  int snapshot(const std::string& name, const std::string& snapshot) {
    librbd::Image image;
    const int r = rbd.open(pool, image, name.c_str());
    return r < 0 ? r : image.snap_create(snapshot.c_str());
  }
};

double seconds(const std::function<std::string()>& call) {
  const auto began = std::chrono::steady_clock::now();
  if (const std::string problem = call(); !problem.empty()) {
    std::fprintf(stderr, "%s\n", problem.c_str());
    std::exit(1);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

std::string words(int r) { return r < 0 ? "librbd: " + std::to_string(r) : ""; }
std::string words(const Status& status) { return status ? "" : status.error().message; }

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

class Bench {
 public:
  Bench(StoragePool& pool, Plain& plain, std::string from, int rounds)
      : pool_(pool), plain_(plain), from_(std::move(from)), rounds_(rounds) {}

  void run() {
    pair(
        "create, mirrored", [this](const std::string& n) { return words(make(n, "")); },
        [this](const std::string& n) { return words(plain_.create(n)); });
    pair(
        "clone, mirrored", [this](const std::string& n) { return words(make(n, from_)); },
        [this](const std::string& n) { return words(plain_.clone(n, from_)); });
    const std::string name = "bench-snapshots";
    if (const Status made = make(name, ""); !made) std::exit(1);
    pair(
        "snapshot",
        [&](const std::string& n) {
          const Changing change{VmId("bench"), wire::TakeSnapshot{n}};
          const Status can = pool_.check_change(name, change);
          return words(can ? pool_.change(name, change) : can);
        },
        [&](const std::string& n) { return words(plain_.snapshot(name, n)); });
  }

 private:
  using Call = std::function<std::string(const std::string&)>;

  Status make(const std::string& name, const std::string& from) {
    Disk disk;
    disk.pool = pool_.name();
    disk.volume = name;
    disk.size_mib = kMib;
    disk.format = DiskFormat::raw;
    disk.from = from;
    return pool_.create({disk, VmId("bench"), true});
  }

  void pair(const std::string& what, const Call& ours, const Call& plain) {
    std::vector<double> mine, theirs, ratios;
    for (int round = 0; round < rounds_; ++round) {
      const std::string number = what.substr(0, 2) + std::to_string(round);
      const auto take = [&] { mine.push_back(seconds([&] { return ours("ours-" + number); })); };
      if (round % 2 == 0) take();
      theirs.push_back(seconds([&] { return plain("plain-" + number); }));
      if (round % 2 != 0) take();
      ratios.push_back(mine.back() / theirs.back());
    }
    std::printf("%-18s %6.0f ms, plain %6.0f ms, ratio %.2f (median of %d pairs)\n", what.c_str(),
                median(mine) * 1000, median(theirs) * 1000, median(ratios), rounds_);
    std::fflush(stdout);
  }

  StoragePool& pool_;
  Plain& plain_;
  const std::string from_;
  const int rounds_;
};

}  // namespace

int main(int count, char** words_given) {
  if (count != 6) return 2;
  const std::vector<std::string> w(words_given, words_given + count);
  const SystemClock clock;
  const auto pool = lab_pool(w[1], w[2], w[3], clock);
  if (const Status usable = pool->ready(); !usable) {
    std::fprintf(stderr, "%s\n", usable.error().message.c_str());
    return 1;
  }
  Plain plain;
  if (const int r = plain.connect(lab_cluster(w[1], w[3])); r < 0) {
    std::fprintf(stderr, "librados: %d\n", r);
    return 1;
  }
  Bench(*pool, plain, w[4], std::stoi(w[5])).run();
  plain.pool.close();
  plain.cluster.shutdown();
  return 0;
}
