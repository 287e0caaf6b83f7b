// report access: who was at work for whom, why, and how much.
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

void print_sessions(Session& session, const std::vector<Document>& items) {
  if (items.empty()) {
    session.out << "Nobody of the provider was at work for a tenant.\n";
    return;
  }
  Table table({"WHO", "TENANT", "BEGAN", "ENDED", "CATEGORY", "LOOKS", "CHANGES", "REASON"});
  for (const Document& item : items)
    table.add({{text(item, "by"), Tone::strong},
               {text(item, "tenant")},
               {time_text(item, "began")},
               {item.contains("ended") ? time_text(item, "ended") : "open"},
               {text(item, "category")},
               {text(item, "looks")},
               {text(item, "changes")},
               {text(item, "reason")}});
  table.print(session.out, session.terminal.colours);
}

void print_report(Session& session, const std::string& body) {
  const Document report = parse(body);
  print_sessions(session, elements(report, "items"));
  const auto refused = elements(report, "refused");
  if (!refused.empty()) session.out << "\nRefused:\n";
  for (const Document& item : refused)
    session.out << "  " << harmless(text(item, "who")) << ": " << text(item, "times") << " times, the last "
                << time_text(item, "last") << '\n';
  const auto reused = elements(report, "reused");
  if (!reused.empty()) session.out << "\nReasons given more than once, word for word:\n";
  for (const Document& item : reused)
    session.out << "  " << text(item, "times") << " times by " << harmless(joined(item, "by", ", ")) << ": "
                << harmless(text(item, "reason")) << '\n';
}

}  // namespace

void add_report_commands(CLI::App& app, Session& session) {
  CLI::App& report = add_group(app, "report", "What the audit adds up to");
  const auto days = std::make_shared<int>(7);
  add_command(report, session, "access",
              "Who was at work for which tenant, why, and how much; who was refused",
              "  bascule report access\n  bascule report access --days 31 --json",
              [&session, days] {
                return session.show(session.get("/v1/reports/access?days=" + std::to_string(*days)),
                                    [&session](const std::string& body) { print_report(session, body); });
              })
      .add_option("--days", *days, "How far back (7)")
      ->check(CLI::Range(1, 366));
}

}  // namespace bascule::cli
