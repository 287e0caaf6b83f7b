// vm returns, vm return: what a tenant's user says about the way home of machines that are away.
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

struct ReturnOptions {
  std::string vm, reason;
  int postpone_h = 0;
};

std::string wish_text(const Document& item) {
  if (!item.contains("wish")) return "-";
  const bool postponed =
      number(item, "wish.not_before") > static_cast<std::uint64_t>(SystemClock().wall().unix_ms);
  return postponed ? "not before " + time_text(item, "wish.not_before") : "at any time";
}

void print_returns(Session& session, const std::string& body) {
  Table table({"VM", "SITE", "HOME", "YOUR WISH", "PROPOSED"});
  for (const Document& item : elements(parse(body), "items"))
    table.add({{text(item, "name"), Tone::strong},
               {text(item, "site")},
               {text(item, "home")},
               {wish_text(item)},
               {item.contains("proposal")
                    ? text(item, "proposal.phase") + ", until " + time_text(item, "proposal.expires")
                    : "-"}});
  if (table.empty())
    session.out << "all are at home\n";
  else
    table.print(session.out, session.terminal.colours);
}

int wish(Session& session, const ReturnOptions& options) {
  json::Value body{{"reason", options.reason}};
  const std::int64_t hour_ms = std::int64_t{3600} * 1000;
  if (options.postpone_h > 0)
    body["not_before"] = SystemClock().wall().unix_ms + options.postpone_h * hour_ms;
  const auto done = session.change("POST", "/v1/vms/" + segment(options.vm) + "/return", json::text_of(body));
  return session.show(done, [&](const std::string&) {
    session.out << harmless(options.vm)
                << (options.postpone_h > 0 ? " stays where it is for now\n" : " may come home at any time\n");
  });
}

}  // namespace

void add_return_commands(CLI::App& vm, Session& session) {
  add_command(vm, session, "returns",
              "By a tenant's user: machines that are away, and when they may come home",
              "  bascule vm returns", [&session] {
                return session.show(session.get_all("/v1/returns"),
                                    [&session](const std::string& body) { print_returns(session, body); });
              });
  const auto options = std::make_shared<ReturnOptions>();
  CLI::App& command = add_command(
      vm, session, "return", "By a tenant's user: a machine that is away may come home, at any time or later",
      "  bascule vm return shop-1\n  bascule vm return shop-1 --postpone 12 --reason \"our sale ends "
      "tonight\"",
      [&session, options] { return wish(session, *options); });
  command.add_option("vm", options->vm, "Name or id of the VM")->required()->type_name("VM");
  command.add_option("--postpone", options->postpone_h, "Not within so many hours")
      ->check(CLI::Range(1, 744))
      ->type_name("HOURS");
  command.add_option("--reason", options->reason, "Goes into the audit")->type_name("TEXT");
}

}  // namespace bascule::cli
