// bascule-sim: the real engine and manager against a simulated world. A seed replays a run exactly.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <string>

#include "base/log.h"
#include "tests/sim/world.h"

int main(int argc, char** argv) {
  using namespace bascule;
  CLI::App app(
      "Runs the real failover engine and manager against simulated hosts, links, BMCs, clocks and stores.\n"
      "Ends with \"N passed, M failed\", one run per seed.\n\n"
      "  bascule-sim --seed 42 --trace        replay one run, with all that happens\n"
      "  bascule-sim --seeds 1000 --hours 1   seeds 1 to 1000\n"
      "  bascule-sim --noise --hours 1000     what must never raise an alarm");
  std::uint64_t first = 1;
  std::uint64_t count = 1;
  double hours = 1;
  double days = 0;
  sim::Options options;
  app.add_option("--seed", first, "first seed");
  app.add_option("--seeds", count, "how many seeds");
  app.add_option("--hours", hours, "simulated hours per seed")->check(CLI::Range(0.1, 10'000.0));
  app.add_option("--days", days, "simulated days per seed, instead of hours")->check(CLI::Range(0.1, 400.0));
  app.add_flag("--fast", options.fast, "the fast profile instead of the default timings");
  app.add_option("--faults", options.faults, "faults per run, at least");
  app.add_option("--vms", options.vms, "virtual machines");
  app.add_option("--hosts-per-site", options.hosts_per_site, "hosts per site");
  app.add_flag("--noise", options.noise, "only stalls, loss and load: no fence and no move may follow");
  app.add_flag("--replay", options.replay, "decide each step again from what a journal would hold");
  app.add_flag("--trace", options.trace, "print what happens");
  CLI11_PARSE(app, argc, argv);
  set_log_level(LogLevel::none);  // deposed managers complain, as they should
  if (days > 0) hours = days * 24;
  options.length =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::ratio<3600>>(hours));

  std::uint64_t failed = 0;
  std::uint64_t moves = 0;
  std::uint64_t fences = 0;
  std::uint64_t steps = 0;
  std::uint64_t faults = 0;
  std::uint64_t fewest = std::numeric_limits<std::uint64_t>::max();
  std::map<std::string, std::uint64_t> probes;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    options.seed = seed;
    sim::World world(options);
    const auto breaches = world.run();
    moves += world.moves();
    fences += world.fences();
    steps += world.steps;
    faults += world.faults();
    fewest = std::min(fewest, world.faults());
    for (const auto& [what, times] : world.probes()) probes[what] += times;
    if (breaches.empty()) continue;
    failed += 1;
    for (const std::string& breach : breaches) fmt::print("seed {}: {}\n", seed, breach);
    std::fflush(stdout);
  }
  for (const auto& [what, times] : probes) fmt::print("  {:10}  {}\n", times, what);
  fmt::print("{} simulated hours, {} faults ({} at least in a run), {} power-offs, {} moves, {} steps\n",
             hours * static_cast<double>(count), faults, fewest, fences, moves, steps);
  fmt::print("{} passed, {} failed\n", count - failed, failed);
  return failed == 0 ? 0 : 1;
}
