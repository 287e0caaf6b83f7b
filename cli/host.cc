#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

struct HostOptions {
  std::string host;
  std::string reason;
  std::string serial;
  std::string boot_id;
  bool yes = false;
};

struct PowerBody {
  bool on = true;
  std::string reason;
};
template <class V>
void fields(V& v, PowerBody& x) {
  v("on", x.on);
  v("reason", x.reason);
}

struct AttestBody {
  std::string serial;
  std::string boot_id;
  std::string reason;
};
template <class V>
void fields(V& v, AttestBody& x) {
  v("serial", x.serial);
  v("boot_id", x.boot_id);
  v("reason", x.reason);
}

std::string host_path(const std::string& host, const std::string& verb = "") {
  return "/v1/hosts/" + segment(host) + (verb.empty() ? "" : "/" + verb);
}

std::string fencing_word(const Document& host) {
  const std::string word = text(host, "fencing.state");
  return word == "never_tested" ? "never tested" : word;
}

std::string memory_words(const Document& host) {
  return text(host, "used.memory_mib") + " of " + text(host, "capacity.memory_mib") + " MiB";
}

std::string note_of(const Document& host) {
  std::string note;
  const auto add = [&note](const std::string& what) { note += (note.empty() ? "" : "; ") + what; };
  if (flag(host, "quarantined")) add("quarantined (" + text(host, "quarantined_why") + ")");
  if (text(host, "phase") == "absent") add("not heard by this manager");
  if (text(host, "phase") != "up" && text(host, "phase") != "absent") add(text(host, "reason"));
  if (!text(host, "drill").empty() && text(host, "drill") != "none") add("drill: " + text(host, "drill"));
  const std::size_t faults = elements(host, "faults").size();
  if (faults > 0) add(std::to_string(faults) + (faults == 1 ? " fault" : " faults"));
  return note;
}

void print_list(Session& session, const std::string& body) {
  Table table({"HOST", "SITE", "STATE", "FENCING", "LEASE", "MEMORY USED", "VMS", "NOTE"});
  for (const Document& host : elements(parse(body), "items"))
    table.add({{text(host, "name"), Tone::strong},
               {text(host, "site")},
               {text(host, "phase"), tone_of(text(host, "phase"))},
               {fencing_word(host), tone_of(fencing_word(host))},
               {flag(host, "fencing.lease") ? "armed" : "-"},
               {memory_words(host)},
               {text(host, "used.vms")},
               {note_of(host), Tone::warning}});
  table.print(session.out, session.terminal.colours);
}

void print_host(Session& session, const std::string& body) {
  const Document host = parse(body);
  const auto line = [&session](const char* name, const std::string& value) {
    if (!value.empty())
      session.out << painted(name, Tone::dim, session.terminal.colours) << harmless(value) << '\n';
  };
  const std::string phase = text(host, "phase");
  line("host         ", text(host, "name") + " at " + text(host, "site"));
  session.out << session.paint("state        ", Tone::dim) << session.paint(phase, tone_of(phase)) << " ("
              << harmless(text(host, "reason")) << (flag(host, "session") ? "" : "; not connected") << ")\n";
  if (flag(host, "quarantined"))
    line("quarantined  ", text(host, "quarantined_why") + "; ends with: bascule host clear " +
                              text(host, "name") + " --reason …");
  line("fencing      ", fencing_word(host) + ": " + text(host, "fencing.because"));
  line("BMC          ", text(host, "fencing.bmc_guid"));
  line("guard        ", std::string(flag(host, "guard.running") ? "running" : "not running") + ", watchdog " +
                            (flag(host, "guard.watchdog_armed") ? "armed" : "not armed") + ", mode " +
                            text(host, "guard.mode"));
  line("guard says   ", text(host, "guard.problem"));
  line("boot_id      ", text(host, "boot_id"));
  line("memory       ", memory_words(host));
  line("vcpus        ", text(host, "used.vcpus") + " of " + text(host, "capacity.vcpus"));
  line("storage      ", joined(host, "storage.daemons", ", "));
  line("storage down ", joined(host, "storage.down", ", "));
  line("needed now   ", text(host, "storage.why_not"));
  line("VMs          ", joined(host, "vms", ", "));
  line("incident     ", text(host, "incident"));
  for (const Document& fault : elements(host, "faults")) line("fault        ", fault.get<std::string>());
}

int power_status(Session& session, const HostOptions& options) {
  return session.show(session.get(host_path(options.host)), [&session](const std::string& body) {
    const Document host = parse(body);
    const std::string power = text(host, "fencing.power_on");
    const std::string word = power == "true" ? "on" : power == "false" ? "off" : "not known";
    session.out << "power " << word << " as its BMC last said; " << text(host, "name") << " is "
                << text(host, "phase") << "; fencing " << fencing_word(host) << ": "
                << harmless(text(host, "fencing.because")) << '\n';
  });
}

int change_host(Session& session, const std::string& target, const std::string& body,
                const std::string& done) {
  return session.show(session.change("POST", target, body),
                      [&](const std::string&) { session.out << done << '\n'; });
}

// What the operator answers for, shown before it is signed.
void show_attestation(Session& session, const Document& host, const AttestBody& body) {
  const std::string starts = joined(host, "would_start", ", ");
  session.err << "You state that this machine is dead and stays so:\n"
              << "  host      " << harmless(text(host, "name")) << " at " << harmless(text(host, "site"))
              << ", " << harmless(text(host, "phase")) << " (" << harmless(text(host, "reason")) << ")\n"
              << "  serial    " << harmless(body.serial) << '\n'
              << "  boot_id   " << harmless(body.boot_id) << '\n'
              << "  starts    " << (starts.empty() ? "nothing" : harmless(starts) + " (at the other site)")
              << "\n"
              << "If it still runs, its VMs will run twice. Cut its power first; unplug it if you can.\n";
}

int attest_down(Session& session, const HostOptions& options) {
  const auto shown = session.get(host_path(options.host));
  if (!shown) return session.report(shown.error());
  const Document host = parse(*shown);
  AttestBody body{options.serial, options.boot_id, options.reason};
  if (body.serial.empty()) body.serial = text(host, "fencing.bmc_guid");
  if (body.boot_id.empty()) body.boot_id = text(host, "boot_id");
  if (body.serial.empty())
    return session.report({kUsage, "no serial of " + options.host + " is known to the manager",
                           "Read it from the machine and give it: --serial SERIAL"});
  show_attestation(session, host, body);
  const std::string name = text(host, "name");
  if (!options.yes && !session.confirmed("Type the host's name to sign this:", name))
    return session.report({kRefused, "not signed: nothing was done",
                           session.terminal.interactive ? "" : "Without a terminal, --yes signs it."});
  return change_host(session, host_path(options.host, "attest-down"), json::encode_text(body),
                     name + " is attested down; `bascule events --follow` shows its VMs start elsewhere");
}

std::shared_ptr<HostOptions> add_host_option(CLI::App& command, const std::shared_ptr<HostOptions>& options) {
  command.add_option("host", options->host, "Name of the host")->required()->type_name("HOST");
  return options;
}

void add_reason(CLI::App& command, const std::shared_ptr<HostOptions>& options, bool needed) {
  auto* option =
      command.add_option("--reason", options->reason, "Why; goes into the audit")->type_name("TEXT");
  if (needed) option->required();
}

void add_power(CLI::App& host, Session& session) {
  CLI::App& power = add_group(host, "power", "Power by the host's BMC");
  for (const bool on : {true, false}) {
    const auto options = std::make_shared<HostOptions>();
    const std::string word = on ? "on" : "off";
    CLI::App& command = add_command(
        power, session, word, on ? "Power a host on" : "Power a host off, hard; refused while it runs VMs",
        "  bascule host power " + word + " paris-1 --reason \"disk replaced\"",
        [&session, options, on, word] {
          return change_host(session, host_path(options->host, "power"),
                             json::encode_text(PowerBody{on, options->reason}),
                             options->host + " was powered " + word);
        });
    add_host_option(command, options);
    add_reason(command, options, true);
  }
  const auto options = std::make_shared<HostOptions>();
  add_host_option(add_command(power, session, "status", "What is known of a host's power",
                              "  bascule host power status paris-1",
                              [&session, options] { return power_status(session, *options); }),
                  options);
}

void add_attest_down(CLI::App& host, Session& session) {
  const auto options = std::make_shared<HostOptions>();
  CLI::App& command = add_command(
      host, session, "attest-down", "State that a held host is dead, so that its VMs start elsewhere",
      "  bascule host attest-down paris-1 --serial CZ3412 --reason \"unplugged by A. Martin\"\n"
      "\n"
      "Shows serial, boot_id and what will start, and asks. Refused while anything shows the host alive, "
      "unless\n"
      "a second operator signs the same (serial and boot_id) within ten minutes.",
      [&session, options] { return attest_down(session, *options); });
  add_host_option(command, options);
  add_reason(command, options, true);
  command.add_option("--serial", options->serial,
                     "Serial of the machine, as you read it (default: as drilled)");
  command.add_option("--boot-id", options->boot_id, "The boot that is dead (default: the last that spoke)");
  command.add_flag("--yes", options->yes, "Sign without being asked");
}

}  // namespace

void add_host_commands(CLI::App& app, Session& session) {
  CLI::App& host = add_group(app, "host", "Hypervisors");
  add_host_metrics(host, session);
  add_host_enrolment(host, session);
  add_command(host, session, "list", "All hosts: state, fencing, use", "  bascule host list", [&session] {
    return session.show(session.get("/v1/hosts"),
                        [&session](const std::string& body) { print_list(session, body); });
  });
  auto options = std::make_shared<HostOptions>();
  add_host_option(add_command(host, session, "show", "One host", "  bascule host show paris-1",
                              [&session, options] {
                                return session.show(
                                    session.get(host_path(options->host)),
                                    [&session](const std::string& body) { print_host(session, body); });
                              }),
                  options);
  options = std::make_shared<HostOptions>();
  CLI::App& clear = add_command(
      host, session, "clear", "End the quarantine of a host that is sound again",
      "  bascule host clear paris-1 --reason \"power supply replaced\"", [&session, options] {
        return change_host(session, host_path(options->host, "clear"), reason_body(options->reason),
                           options->host + " is cleared and may get VMs; nothing moves home by that");
      });
  add_reason(clear, add_host_option(clear, options), true);
  options = std::make_shared<HostOptions>();
  CLI::App& drill =
      add_command(host, session, "drill", "Commissioning: prove that the BMC ends a boot of this very host",
                  "  bascule host drill paris-1 --reason \"commissioning\"\n\nPowers the host off and on; "
                  "refused while it runs VMs.",
                  [&session, options] {
                    return change_host(
                        session, host_path(options->host, "drill"), reason_body(options->reason),
                        options->host + " passed: its BMC is bound to it, power off is evidence from now on");
                  });
  add_reason(drill, add_host_option(drill, options), false);
  add_power(host, session);
  add_attest_down(host, session);
}

}  // namespace bascule::cli
