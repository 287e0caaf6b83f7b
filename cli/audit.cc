// The audit: read it, verify it, take it away and prove it elsewhere.
#include <CLI/CLI.hpp>
#include <fstream>
#include <ostream>
#include <set>

#include "base/audit_chain.h"
#include "base/durable_file.h"
#include "base/sha256.h"
#include "cli/commands.h"
#include "cli/document.h"
#include "cli/events.h"

namespace bascule::cli {
namespace {

constexpr std::size_t kLargestKey = 64 * 1024;
constexpr const char* kPage = "1000";

struct ExportOptions {
  std::string out;
  std::string format = "jsonl";
  std::uint64_t after = 0;
};
struct CheckOptions {
  std::string file;
  std::string key;
  std::string checkpoints;
};

int verify_audit(Session& session) {
  const auto body = session.get("/v1/audit/verify", std::chrono::seconds(29));
  const int code = session.show(body, [&session](const std::string& text_of_verdict) {
    const Document verdict = parse(text_of_verdict);
    if (flag(verdict, "intact"))
      session.out << session.paint("intact", Tone::good) << ": " << text(verdict, "records") << " records; "
                  << harmless(text(verdict, "detail")) << '\n';
    else
      session.out << session.paint("NOT INTACT", Tone::bad) << ": " << harmless(text(verdict, "detail"))
                  << '\n';
  });
  if (code != kDone) return code;
  return flag(parse(*body), "intact") ? kDone : kRefused;
}

// ---- Taking it away ----

// RFC 4180, and no formula of a spreadsheet.
std::string csv_field(std::string value) {
  if (!value.empty() && std::string_view("=+-@\t\r").find(value[0]) != std::string_view::npos)
    value.insert(0, "'");
  std::string quoted = "\"";
  for (const char c : value) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

constexpr const char* kCsvHead = "number,at,actor,what,subject,reason,words,facts,sha256\r\n";

std::string csv_row(const std::string& line) {
  const Document entry = parse(line);
  std::string row = text(entry, "number") + ',' + time_text(entry, "at");
  for (const char* name : {"actor", "what", "subject", "reason", "words"})
    row += ',' + csv_field(text(entry, std::string("record.") + name));
  const auto record = entry.find("record");
  row += ',' + csv_field(record == entry.end() ? "" : facts_of(*record));
  return row + ',' + sha256_hex(line) + "\r\n";
}

std::string exported(const std::string& line, bool csv) {
  if (!csv) return line + '\n';
  return line.starts_with("{\"checkpoint\"") ? "" : csv_row(line);
}

int export_audit(Session& session, const ExportOptions& options) {
  const bool csv = options.format == "csv";
  std::ofstream file(options.out, std::ios::binary | std::ios::trunc);
  file << (csv ? kCsvHead : "");
  std::uint64_t after = options.after;
  std::uint64_t records = 0;
  for (bool more = true; more && file;) {
    const auto body =
        session.get("/v1/audit/export?limit=" + std::string(kPage) + "&after=" + std::to_string(after));
    if (!body) return session.report(body.error());
    const Document page = parse(*body);
    const std::uint64_t before = after;
    for (const Document& line : elements(page, "lines")) file << exported(line.get<std::string>(), csv);
    after = std::strtoull(text(page, "next").c_str(), nullptr, 10);
    more = after > before;
    records += after - before;
    if (session.terminal.progress)
      session.err << '\r' << records << " records" << (more ? "" : "\n") << std::flush;
  }
  file.flush();
  if (!file)
    return session.report(
        {kRefused, options.out + " can't be written", "is there room, and may you write there?"});
  const Document done{{"records", records}, {"file", options.out}};
  return session.show(done.dump(), [&](const std::string&) {
    session.out << records << " records are in " << options.out
                << (csv ? "" : "; `bascule audit check` proves them, without the manager") << '\n';
  });
}

int show_key(Session& session) {
  return session.show(session.get("/v1/audit/key"), [&session](const std::string& body) {
    session.out << text(parse(body), "public_key");
  });
}

// ---- Proving it elsewhere ----

// Ends with the first line that `take` refuses.
template <class Take>
Status for_each_line(const std::string& path, Take take) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (const Status taken = take(line); !taken)
      return failure(taken.error().within(path + " line " + std::to_string(number)));
  }
  return file.eof() && number > 0 ? Status()
                                  : failure(ErrorCode::not_found, path + " can't be read, or is empty");
}

Status read_export(AuditReader& reader, const CheckOptions& options) {
  if (!options.checkpoints.empty()) {
    const Status known = for_each_line(options.checkpoints,
                                       [&reader](const std::string& line) { return reader.expect(line); });
    if (!known) return known;
  }
  const Status read =
      for_each_line(options.file, [&reader](const std::string& line) { return reader.next(line); });
  return read ? reader.end() : read;
}

void print_check(Session& session, const Document& verdict) {
  if (!flag(verdict, "intact")) {
    session.out << session.paint("NOT INTACT", Tone::bad) << ": " << harmless(text(verdict, "detail"))
                << '\n';
    return;
  }
  const std::string until = text(verdict, "signed_until");
  session.out << session.paint("intact", Tone::good) << ": records " << text(verdict, "first") << " to "
              << text(verdict, "last") << ", signed by " << text(verdict, "checkpoints") << " checkpoints"
              << (until == text(verdict, "last") ? "" : "; what came after " + until + " is only chained")
              << '\n';
}

int check_export(Session& session, const CheckOptions& options) {
  const Result<std::string> key = read_whole(options.key, kLargestKey);
  if (!key) return session.report({kUsage, key.error().message, "`bascule audit key` prints it"});
  AuditReader reader(*key);
  const Status whole = read_export(reader, options);
  const std::uint64_t first = reader.head().number - reader.entries() + 1;
  const Document verdict{{"intact", whole.has_value()},
                         {"detail", whole ? "" : whole.error().message},
                         {"first", first},
                         {"last", reader.head().number},
                         {"checkpoints", reader.checkpoints()},
                         {"signed_until", reader.signed_until()}};
  session.show(verdict.dump(), [&](const std::string&) { print_check(session, verdict); });
  return whole ? kDone : kRefused;
}

void add_export(CLI::App& audit, Session& session) {
  const auto options = std::make_shared<ExportOptions>();
  CLI::App& command = add_command(
      audit, session, "export", "All records with their proof into a file",
      "  bascule audit export --out audit.jsonl\n  bascule audit export --out audit.csv --format csv",
      [&session, options] { return export_audit(session, *options); });
  command.add_option("--out", options->out, "The file; it is overwritten")->required()->type_name("FILE");
  command.add_option("--format", options->format, "jsonl, which can be proved, or csv, to read")
      ->check(CLI::IsMember(std::set<std::string>{"jsonl", "csv"}));
  command.add_option("--after", options->after, "Only records with a greater number");
}

void add_check(CLI::App& audit, Session& session) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App& command = add_command(
      audit, session, "check", "Prove an exported file, without the manager; exit code 1 when it is damaged",
      "  bascule audit check audit.jsonl --key audit-key.pem\n"
      "  bascule audit check audit.jsonl --key audit-key.pem --checkpoints kept-outside.jsonl",
      [&session, options] { return check_export(session, *options); });
  command.add_option("file", options->file, "An export in jsonl")->required()->type_name("FILE");
  command.add_option("--key", options->key, "The public key, kept since before")
      ->required()
      ->type_name("PEM");
  command
      .add_option("--checkpoints", options->checkpoints,
                  "Checkpoints that were kept outside: none may be missing")
      ->type_name("FILE");
}

}  // namespace

void add_audit_commands(CLI::App& app, Session& session) {
  CLI::App& audit = add_group(app, "audit", "Who decided what, and why: a chain that shows any change");
  const auto options = std::make_shared<PageOptions>();
  CLI::App& list = add_command(audit, session, "list", "The records, oldest first",
                               "  bascule audit list --after 1000 --limit 50\n"
                               "  bascule audit list --who alice --hours 24\n"
                               "  bascule audit list --on vm/shop-1 --what stop_vm",
                               [&session, options] { return list_events(session, "/v1/audit", *options); });
  list.add_option("--after", options->after, "Only records with a greater number");
  list.add_option("--limit", options->limit, "At most so many (100)")->check(CLI::Range(1, 1000));
  list.add_option("--who", options->who, "By this person, or \"engine\"")->type_name("NAME");
  list.add_option("--what", options->what, "What was done, such as stop_vm")->type_name("VERB");
  list.add_option("--on", options->on, "vm/NAME, host/NAME, tenant/NAME, …")->type_name("SUBJECT");
  list.add_option("--request", options->request, "With this request id")->type_name("ID");
  list.add_option("--hours", options->hours, "Within so many hours")
      ->check(CLI::Range(1, 24 * 366))
      ->type_name("N");
  add_command(audit, session, "verify", "Check the whole chain; exit code 1 when it is broken",
              "  bascule audit verify", [&session] { return verify_audit(session); });
  add_export(audit, session);
  add_check(audit, session);
  add_command(audit, session, "key", "The public key that checks the signatures of an export",
              "  bascule audit key > audit-key.pem", [&session] { return show_key(session); });
}

}  // namespace bascule::cli
