#include "api/replay.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include "base/log.h"
#include "cluster/journal.h"
#include "cluster/replay.h"

namespace bascule::api {

namespace {

// Words of guests and BMCs must not steer the terminal.
std::string harmless(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

// As `bascule events` shows it.
void print_decision(const AuditEntry& entry) {
  const AuditRecord& record = entry.record;
  std::string line =
      fmt::format("{} {} {} ({})", to_iso8601(entry.at), record.what, record.subject, name_of(record.reason));
  if (record.actor != "engine") line += " by " + record.actor;
  if (!record.words.empty()) line += ": " + record.words;
  std::string facts;
  for (const auto& [name, value] : record.facts) facts += " " + name + "=" + value;
  if (!facts.empty()) line += " " + facts;
  fmt::print("{}\n", harmless(line));
}

std::string head_text(const AuditHead& head) {
  return fmt::format("audit record {} ({})", head.number, head.hash.substr(0, 12));
}

// False when something differs.
bool report(const std::string& path, const Replay& replay) {
  const State& state = replay.state;
  fmt::print("{}: cluster {}, term {}, begun {}: {} steps, {} decisions", path,
             harmless(state.cluster.cluster.value), state.cluster.term.value, to_iso8601(replay.begun),
             replay.steps, replay.decisions);
  if (replay.torn) fmt::print("; the last line was cut off and is left out");
  if (replay.build != build_id())
    fmt::print("; recorded by build {}, this is {}", harmless(replay.build), build_id());
  if (!replay.difference) {
    fmt::print("; all as recorded\n");
    return true;
  }
  const ReplayDifference& difference = *replay.difference;
  fmt::print("\nstep {} at {} ({}): recorded up to {}, recomputed up to {}\n", difference.step,
             to_iso8601(difference.at), difference.event, head_text(difference.recorded),
             head_text(difference.computed));
  return false;
}

}  // namespace

int replay_command(int argc, char** argv) {
  std::vector<std::string> files;
  bool quiet = false;
  CLI::App app("Computes the decisions of a journal again and compares them with the recorded ones.",
               "bascule-manager replay");
  app.add_option("FILE", files, "segments of a journal, oldest first")->required();
  app.add_flag("--quiet,-q", quiet, "don't print the decisions, only what differs");
  app.footer(
      "Examples:\n"
      "  bascule-manager replay /var/lib/bascule/journal/20261126T031*.jsonl\n"
      "\n"
      "Exit codes: 0 all as recorded, 1 a difference or an unreadable file, 2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& told) {
    return app.exit(told) == 0 ? 0 : 2;
  }
  set_log_level(LogLevel::error);
  bool same = true;
  for (const std::string& file : files) {
    const Result<Replay> replay = replay_segment(file, [quiet](const AuditEntry& entry) {
      if (!quiet) print_decision(entry);
    });
    if (!replay) std::fprintf(stderr, "%s\n", harmless(replay.error().message).c_str());
    same = replay && report(file, *replay) && same;
  }
  return same ? 0 : 1;
}

}  // namespace bascule::api
