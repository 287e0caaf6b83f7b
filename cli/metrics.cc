// vm metrics, host metrics: what is used now, and was in the last 24 hours.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

constexpr std::size_t kColumns = 24;  // of a curve: hours
constexpr std::int64_t kDay = 24 * 3600 * 1000;

struct Measure {
  const char* words;
  const char* name;
  const char* unit;  // empty: a plain number
};
constexpr std::array<Measure, 8> kMeasures{{{"processors at work", "cpus", ""},
                                            {"memory of the host", "memory_bytes", "B"},
                                            {"disk, reads", "disk_reads", "/s"},
                                            {"disk, writes", "disk_writes", "/s"},
                                            {"disk, read", "disk_read_bytes", "B/s"},
                                            {"disk, written", "disk_written_bytes", "B/s"},
                                            {"network, received", "received_bytes", "B/s"},
                                            {"network, sent", "sent_bytes", "B/s"}}};

double value_of(const Document& measured, const char* name) {
  return measured.contains(name) && measured[name].is_number() ? measured[name].get<double>() : 0;
}

std::string shown(double value, const Measure& measure) {
  const std::string unit = measure.unit;
  if (unit.empty()) return fmt::format("{:.2f}", value);
  if (!unit.starts_with('B')) return fmt::format("{:.0f}{}", value, unit);
  constexpr std::array<const char*, 5> kPrefixes{"", "Ki", "Mi", "Gi", "Ti"};
  std::size_t prefix = 0;
  for (; value >= 1024 && prefix + 1 < kPrefixes.size(); ++prefix) value /= 1024;
  return fmt::format("{:.{}f} {}{}", value, prefix > 0 && value < 100 ? 1 : 0, kPrefixes[prefix], unit);
}

// The mean of each of the last 24 hours, as a row of bars; a space where nobody could look.
std::string curve(const std::vector<Document>& steps, const char* name) {
  constexpr std::array<const char*, 8> kBars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::array<double, kColumns> sums{};
  std::array<int, kColumns> counts{};
  const auto begin = steps.empty() ? 0 : static_cast<std::int64_t>(value_of(steps.back(), "at")) - kDay;
  for (const Document& step : steps) {
    const auto since = static_cast<std::int64_t>(value_of(step, "at")) - begin - 1;
    const auto column = static_cast<std::size_t>(
        std::clamp<std::int64_t>(since * std::int64_t{kColumns} / kDay, 0, kColumns - 1));
    sums[column] += value_of(step, name);
    ++counts[column];
  }
  double most = 0;
  for (std::size_t i = 0; i < kColumns; ++i)
    if (counts[i] > 0) most = std::max(most, sums[i] /= counts[i]);
  std::string bars;
  for (std::size_t i = 0; i < kColumns; ++i)
    bars += counts[i] == 0 ? " " : kBars[most > 0 ? static_cast<std::size_t>(sums[i] / most * 7) : 0];
  return bars;
}

void print_metrics(Session& session, const std::string& body) {
  const Document document = parse(body);
  const std::vector<Document> steps = elements(document, "steps");
  Table table({"MEASURE", "NOW", "MEAN", "MOST", "LAST 24 H"});
  for (const Measure& measure : kMeasures) {
    double sum = 0, most = 0;
    for (const Document& step : steps) {
      sum += value_of(step, measure.name);
      most = std::max(most, value_of(step, measure.name));
    }
    const bool seen = !steps.empty();
    table.add({{measure.words, Tone::strong},
               {document.contains("now") ? shown(value_of(document["now"], measure.name), measure) : "-"},
               {seen ? shown(sum / static_cast<double>(steps.size()), measure) : "-"},
               {seen ? shown(most, measure) : "-"},
               {curve(steps, measure.name), Tone::dim}});
  }
  table.print(session.out, session.terminal.colours);
}

void add_metrics_command(CLI::App& group, Session& session, const std::string& kind,
                         const std::string& what) {
  const auto name = std::make_shared<std::string>();
  CLI::App& command = add_command(
      group, session, "metrics", what,
      "  bascule " + kind + " metrics " + (kind == "vm" ? "web-1" : "paris-1"), [&session, kind, name] {
        const auto body = session.get("/v1/" + kind + "s/" + segment(*name) + "/metrics");
        return session.show(body, [&session](const std::string& shown) { print_metrics(session, shown); });
      });
  command.add_option(kind, *name, "Name or id")->required()->type_name(kind == "vm" ? "VM" : "HOST");
}

}  // namespace

void add_vm_metrics(CLI::App& vm, Session& session) {
  add_metrics_command(vm, session, "vm", "What a VM uses now, and used in the last 24 hours");
}

void add_host_metrics(CLI::App& host, Session& session) {
  add_metrics_command(host, session, "host", "What a host uses now, and used in the last 24 hours");
}

}  // namespace bascule::cli
