// host invite, host expel: how a hypervisor gets its certificates, and how it loses them.
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

struct EnrolmentOptions {
  std::string host, reason;
};

int invite(Session& session, const EnrolmentOptions& options) {
  const auto made =
      session.post("/v1/hosts/" + segment(options.host) + "/invitation", reason_body(options.reason));
  return session.show(made, [&session](const std::string& body) {
    const Document invitation = parse(body);
    session.out << harmless(text(invitation, "host")) << " is invited until "
                << time_text(invitation, "until") << ", once. On that host, as root:\n  bascule-hostd join "
                << harmless(text(invitation, "manager")) << " --host " << harmless(text(invitation, "host"))
                << " --fingerprint " << harmless(text(invitation, "fingerprint"))
                << "\nand give it, when it asks, the invitation\n  "
                << harmless(text(invitation, "invitation")) << '\n';
  });
}

int expel(Session& session, const EnrolmentOptions& options) {
  return session.show(
      session.change("POST", "/v1/hosts/" + segment(options.host) + "/expel", reason_body(options.reason)),
      [&](const std::string&) {
        session.out << harmless(options.host) << " is cut off: none of its certificates counts any more\n";
      });
}

void add(CLI::App& host, Session& session, const std::string& name, const std::string& what,
         const std::string& example, int (*run)(Session&, const EnrolmentOptions&), bool reason_needed) {
  const auto options = std::make_shared<EnrolmentOptions>();
  CLI::App& command = add_command(host, session, name, what, example,
                                  [&session, options, run] { return run(session, *options); });
  command.add_option("host", options->host, "Name of the host")->required()->type_name("HOST");
  auto* reason =
      command.add_option("--reason", options->reason, "Why; goes into the audit")->type_name("TEXT");
  if (reason_needed) reason->required();
}

}  // namespace

void add_host_enrolment(CLI::App& host, Session& session) {
  add(host, session, "invite", "Let a host of manager.toml fetch certificates, once, within an hour",
      "  bascule host invite paris-3", invite, false);
  add(host, session, "expel", "Cut a host off: it is stolen, or somebody else may have its keys",
      "  bascule host expel paris-3 --reason \"stolen from the rack\"", expel, true);
}

}  // namespace bascule::cli
