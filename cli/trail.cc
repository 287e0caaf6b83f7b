// What happened and why: events, explain, incidents, and the test of the notices.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"
#include "cli/events.h"

namespace bascule::cli {
namespace {

constexpr int kFollowSeconds = 25;

void print_event(Session& session, const Document& event) {
  const std::string words = text(event, "words");
  session.out << session.paint(time_text(event, "at"), Tone::dim) << ' '
              << session.paint(text(event, "what"), Tone::strong) << ' ' << harmless(text(event, "subject"))
              << " (" << harmless(text(event, "reason")) << ')';
  if (text(event, "actor") != "engine") session.out << " by " << harmless(text(event, "actor"));
  if (!words.empty()) session.out << ": " << harmless(words);
  const std::string facts = facts_of(event);
  if (!facts.empty()) session.out << session.paint("  " + facts, Tone::dim);
  session.out << '\n';
}

void print_events(Session& session, const Document& page) {
  for (const Document& event : elements(page, "items")) print_event(session, event);
}

// With --json: one event per line, as a stream for programs.
void print_followed(Session& session, const Document& page) {
  if (!session.globals.json) return print_events(session, page);
  for (const Document& event : elements(page, "items")) session.out << event.dump() << '\n';
}

int follow_events(Session& session, const PageOptions& options) {
  std::string target = "/v1/events?wait=" + std::to_string(kFollowSeconds);
  if (options.after > 0) target += "&after=" + std::to_string(options.after);
  while (true) {
    const auto body = session.get(target, std::chrono::seconds(kFollowSeconds + 5));
    if (!body) return session.report(body.error());
    const Document page = parse(*body);
    print_followed(session, page);
    session.out.flush();
    if (!session.out) return kDone;
    target = "/v1/events?wait=" + std::to_string(kFollowSeconds) + "&after=" + text(page, "next");
  }
}

void print_explanation(Session& session, const std::string& body) {
  const Document document = parse(body);
  session.out << session.paint(text(document, "name"), Tone::strong) << " is "
              << harmless(text(document, "state")) << " (" << harmless(text(document, "reason")) << ")\n";
  if (!text(document, "explanation").empty()) session.out << harmless(text(document, "explanation")) << '\n';
  const auto evidence = elements(document, "evidence");
  if (!evidence.empty()) session.out << "\nEvidence held:\n";
  for (const Document& entry : evidence) {
    session.out << "  " << time_text(entry, "evidence.at") << ' ' << harmless(text(entry, "evidence.type"))
                << " about " << harmless(text(entry, "host"));
    const std::string boot = text(entry, "evidence.copy.boot_id");
    if (!boot.empty()) session.out << ", boot " << harmless(boot);
    session.out << '\n';
  }
  session.out << "\nTrail, oldest first:\n";
  for (const Document& event : elements(document, "trail")) {
    session.out << "  ";
    print_event(session, event);
  }
}

int explain(Session& session, const std::string& subject) {
  const std::size_t slash = subject.find('/');
  const std::string kind = subject.substr(0, slash);
  if (slash == std::string::npos || (kind != "vm" && kind != "host"))
    return session.report({kUsage, "\"" + subject + "\" must be vm/NAME or host/NAME", ""});
  return session.show(session.get("/v1/explain/" + kind + "/" + segment(subject.substr(slash + 1))),
                      [&session](const std::string& body) { print_explanation(session, body); });
}

void print_incidents(Session& session, const std::string& body) {
  Table table({"INCIDENT", "KIND", "SITE", "HOSTS", "VMS", "SWITCHED", "OPENED", "CLOSED"});
  for (const Document& incident : elements(parse(body), "items"))
    table.add({{text(incident, "id"), Tone::strong},
               {text(incident, "kind")},
               {text(incident, "site")},
               {joined(incident, "hosts", ", ")},
               {std::to_string(elements(incident, "vms").size())},
               {std::to_string(elements(incident, "switched").size())},
               {time_text(incident, "opened")},
               {time_text(incident, "closed").empty() ? "open" : time_text(incident, "closed")}});
  if (table.empty())
    session.out << "no incidents\n";
  else
    table.print(session.out, session.terminal.colours);
}

// On one time axis that begins where the incident was opened.
void print_incident(Session& session, const std::string& body) {
  const Document incident = parse(body);
  const auto opened = static_cast<std::int64_t>(number(incident, "opened"));
  const std::string closed = time_text(incident, "closed");
  session.out << session.paint(harmless(text(incident, "id")), Tone::strong) << ": "
              << harmless(text(incident, "kind")) << " of " << harmless(joined(incident, "hosts", ", "))
              << ", opened " << time_text(incident, "opened") << ", "
              << (closed.empty() ? "open" : "closed " + closed) << '\n'
              << elements(incident, "switched").size() << " of " << elements(incident, "vms").size()
              << " VMs switched\n\n";
  for (const Document& event : elements(incident, "timeline")) {
    const double after =
        static_cast<double>(static_cast<std::int64_t>(number(event, "at")) - opened) / 1000.0;
    session.out << fmt::format("{:+8.1f} s  ", after);
    print_event(session, event);
  }
  if (flag(incident, "cut")) session.out << "Much more happened: `bascule audit list` has the rest.\n";
}

int show_incidents(Session& session, const std::string& incident) {
  if (incident.empty())
    return session.show(session.get("/v1/incidents"),
                        [&session](const std::string& body) { print_incidents(session, body); });
  return session.show(session.get("/v1/incidents/" + segment(incident)),
                      [&session](const std::string& body) { print_incident(session, body); });
}

int test_notices(Session& session, const std::string& reason) {
  return session.show(
      session.change("POST", "/v1/notices/test", reason_body(reason)), [&session](const std::string&) {
        session.out << "a test notice is on its way by every channel; a channel that fails shows in "
                       "`bascule status`\n";
      });
}

void add_events(CLI::App& app, Session& session) {
  const auto options = std::make_shared<PageOptions>();
  CLI::App& events = add_command(
      app, session, "events", "What happens: every decision, also \"did nothing, because\"",
      "  bascule events --follow\n  bascule events --after 120\n  bascule events --follow --json | jq .what",
      [&session, options] {
        return options->follow ? follow_events(session, *options)
                               : list_events(session, "/v1/audit", *options);
      });
  events.add_flag("--follow,-f", options->follow, "Go on as things happen; Ctrl-C ends it");
  events.add_option("--after", options->after, "Only events with a greater number");
  events.add_option("--limit", options->limit, "At most so many (100)")->check(CLI::Range(1, 1000));
}

}  // namespace

std::string facts_of(const Document& event) {
  std::string all;
  const auto facts = event.find("facts");
  if (facts == event.end() || !facts->is_object()) return all;
  for (const auto& [name, value] : facts->items())
    all +=
        (all.empty() ? "" : " ") + name + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
  return all;
}

// The manager looks through so many records at once: a page may be short, or empty, before the last.
Outcome<std::string> all_that_match(Session& session, std::string target, const PageOptions& options) {
  target += "?";
  for (const auto& [name, value] : {std::pair("who", options.who),
                                    {"what", options.what},
                                    {"on", options.on},
                                    {"request", options.request}})
    if (!value.empty()) target += std::string(name) + "=" + segment(value) + "&";
  const std::int64_t hour_ms = std::int64_t{3600} * 1000;
  if (options.hours > 0)
    target += "since=" + std::to_string(SystemClock().wall().unix_ms - options.hours * hour_ms) + "&";
  Document all{{"items", Document::array()}};
  for (std::string after = std::to_string(options.after);;) {
    const std::size_t left = options.limit - all["items"].size();
    const auto body = session.get(target + "after=" + after + "&limit=" + std::to_string(left));
    if (!body && !all["items"].empty()) {  // what was found is worth more than nothing
      session.err << "bascule: not all was looked through: " << harmless(body.error().message) << '\n';
      return all.dump();
    }
    if (!body) return body;
    const Document page = parse(*body);
    for (const Document& item : elements(page, "items")) all["items"].push_back(item);
    const std::string next = text(page, "next");
    all["next"] = number(page, "next");
    if (next == after || all["items"].size() >= options.limit) return all.dump();
    after = next;
  }
}

int list_events(Session& session, const std::string& path, const PageOptions& options) {
  return session.show(all_that_match(session, path, options), [&session](const std::string& body) {
    const Document page = parse(body);
    print_events(session, page);
    if (elements(page, "items").empty()) session.out << "nothing recorded\n";
  });
}

void add_trail_commands(CLI::App& app, Session& session) {
  add_events(app, session);
  const auto subject = std::make_shared<std::string>();
  add_command(app, session, "explain", "Why a VM or host is as it is: evidence and trail of decisions",
              "  bascule explain vm/web-1\n  bascule explain host/paris-1",
              [&session, subject] { return explain(session, *subject); })
      .add_option("subject", *subject, "vm/NAME or host/NAME")
      ->required()
      ->type_name("SUBJECT");
  add_audit_commands(app, session);
  const auto incident = std::make_shared<std::string>();
  add_command(app, session, "incidents",
              "Faults, newest first; or all that was seen, decided and done in one",
              "  bascule incidents\n  bascule incidents i000007",
              [&session, incident] { return show_incidents(session, *incident); })
      .add_option("incident", *incident, "Its id: shows its timeline")
      ->type_name("INCIDENT");
  CLI::App& notify = add_group(app, "notify", "Mail and SMS to operations");
  const auto reason = std::make_shared<std::string>();
  add_command(notify, session, "test", "Send a test notice by every channel", "  bascule notify test",
              [&session, reason] { return test_notices(session, *reason); })
      .add_option("--reason", *reason, "Goes into the audit")
      ->type_name("TEXT");
}

}  // namespace bascule::cli
