#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

void print_sentences(Session& session, const Document& status, const char* title, const char* path) {
  const auto sentences = elements(status, path);
  if (sentences.empty()) return;
  session.out << '\n' << title << '\n';
  for (const Document& sentence : sentences)
    session.out << "  - " << harmless(sentence.is_string() ? sentence.get<std::string>() : sentence.dump())
                << '\n';
}

void print_status(Session& session, const std::string& body) {
  const Document status = parse(body);
  const std::string word = text(status, "word");
  session.out << session.paint(word, word == "NOMINAL" ? Tone::good : Tone::bad) << '\n';
  session.out << "cluster " << text(status, "cluster") << ", " << text(status, "counts.hosts_up") << " of "
              << text(status, "counts.hosts") << " hosts up, " << text(status, "counts.vms_running") << " of "
              << text(status, "counts.vms") << " VMs running (epoch " << text(status, "epoch.number")
              << ", term " << text(status, "term") << ", Bascule " << text(status, "version") << ")\n";
  print_sentences(session, status, "Needs attention:", "attention");
  print_sentences(session, status, "Not automatic in this set-up:", "not_automatic");
}

}  // namespace

void add_status(CLI::App& app, Session& session) {
  add_command(app, session, "status", "One word first: NOMINAL, or what is not; then why",
              "  bascule status\n  bascule status --json", [&session] {
                return session.show(session.get("/v1/status"),
                                    [&session](const std::string& body) { print_status(session, body); });
              });
}

}  // namespace bascule::cli
