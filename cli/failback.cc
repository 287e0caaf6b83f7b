// failback: nothing moves home but by a plan that was shown and then approved.
#include <CLI/CLI.hpp>
#include <ctime>
#include <iomanip>
#include <optional>
#include <ostream>
#include <sstream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

constexpr std::size_t kShortestDigest = 12;

struct PlanBody {
  std::vector<std::string> vms;
  std::string reason;
};
template <class V>
void fields(V& v, PlanBody& x) {
  v("vms", x.vms);
  v("reason", x.reason);
}

struct ApproveBody {
  std::string digest;
  std::string reason;
  std::optional<WallTime> not_before;
};
template <class V>
void fields(V& v, ApproveBody& x) {
  v("digest", x.digest);
  v("reason", x.reason);
  v.optional("not_before", x.not_before);
}

struct ApproveOptions {
  std::string plan;
  std::string digest;
  std::string reason;
  std::string at;  // "2026-12-01 02:00", of this machine's clock
  bool yes = false;
  bool no_wait = false;
};

// Nothing when that is no time.
std::optional<WallTime> local_time(const std::string& text) {
  std::tm parts{};
  parts.tm_isdst = -1;
  std::istringstream stream(text);
  stream >> std::get_time(&parts, "%Y-%m-%d %H:%M");
  if (stream.fail() || stream.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
  const std::tm typed = parts;
  const std::time_t at = std::mktime(&parts);
  if (at < 0 || parts.tm_mday != typed.tm_mday || parts.tm_hour != typed.tm_hour) return std::nullopt;
  return WallTime{std::int64_t{at} * 1000};
}

std::string plan_path(const std::string& plan) { return "/v1/failback/plans/" + segment(plan); }

void print_items(Session& session, const Document& plan) {
  Table table({"VM", "FROM", "TO", "STATE", "WHY SAFE"});
  for (const Document& item : elements(plan, "items"))
    table.add({{text(item, "name"), Tone::strong},
               {text(item, "from.host")},
               {text(item, "to.host")},
               {text(item, "phase"), tone_of(text(item, "phase"))},
               {text(item, "why_safe")}});
  table.print(session.out, session.terminal.colours);
}

void print_plan(Session& session, const std::string& body) {
  const Document plan = parse(body);
  const std::string id = text(plan, "id");
  session.out << "plan " << harmless(id) << ": " << harmless(text(plan, "phase")) << ", made by "
              << harmless(text(plan, "author"));
  if (text(plan, "phase") == "proposed") session.out << ", expires " << time_text(plan, "expires");
  if (text(plan, "phase") == "approved") session.out << ", begins " << time_text(plan, "not_before");
  session.out << '\n';
  print_items(session, plan);
  for (const Document& item : elements(plan, "items"))
    if (!text(item, "despite").empty())
      session.out << session.paint(harmless(text(item, "name") + ": " + text(item, "despite")), Tone::warning)
                  << '\n';
  session.out << "digest " << harmless(text(plan, "digest")) << '\n';
  if (text(plan, "phase") != "proposed") return;
  session.out << "\nNothing has moved. Each VM is stopped, proved stopped, and only then started at home.\n"
              << "To approve:\n  bascule failback approve " << harmless(id) << " --digest "
              << harmless(text(plan, "digest").substr(0, kShortestDigest)) << " --reason \"why now\"\n";
}

int make_plan(Session& session, const PlanBody& request) {
  const auto made = session.change("POST", "/v1/failback/plans", json::encode_text(request));
  if (!made) return session.report(made.error());
  return session.show(session.get(plan_path(text(parse(*made), "subject"))),
                      [&session](const std::string& body) { print_plan(session, body); });
}

void print_plans(Session& session, const std::string& body) {
  Table table({"PLAN", "STATE", "CREATED", "EXPIRES", "VMS", "APPROVED BY", "REASON"});
  for (const Document& plan : elements(parse(body), "items")) {
    std::string vms;
    for (const Document& item : elements(plan, "items"))
      vms += (vms.empty() ? "" : ", ") + text(item, "name");
    table.add({{text(plan, "id"), Tone::strong},
               {text(plan, "phase"), tone_of(text(plan, "phase"))},
               {time_text(plan, "created")},
               {time_text(plan, "expires")},
               {vms},
               {text(plan, "approved_by")},
               {text(plan, "reason")}});
  }
  if (table.empty())
    session.out << "no plans; `bascule failback plan` makes one\n";
  else
    table.print(session.out, session.terminal.colours);
}

bool has_ended(const std::string& phase) {
  return phase == "done" || phase == "refused" || phase == "expired" || phase == "called_off";
}

// Looks again whenever something happened in the cluster, until the plan has ended.
Outcome<std::string> follow_plan(Session& session, const std::string& id) {
  const SystemClock clock;
  const Instant deadline = clock.now() + std::chrono::seconds(session.globals.wait_s);
  std::string seen;
  std::string events = "/v1/events?wait=5";
  while (true) {
    auto body = session.get(plan_path(id));
    if (!body) return body;
    const Document plan = parse(*body);
    for (const Document& item : elements(plan, "items")) {
      const std::string line = text(item, "name") + ": " + text(item, "phase");
      if (session.terminal.progress && seen.find(line + "\n") == std::string::npos) {
        session.err << harmless(line) << '\n';
        seen += line + "\n";
      }
    }
    if (has_ended(text(plan, "phase"))) return body;
    if (clock.now() >= deadline)
      return tl::unexpected(
          Failure{kUnknown, "the plan has not ended within " + std::to_string(session.globals.wait_s) + " s",
                  "It goes on. `bascule failback list` shows its end."});
    const auto page = session.get(events, std::chrono::seconds(15));
    if (!page) return page;
    events = "/v1/events?wait=5&after=" + text(parse(*page), "next");
  }
}

// The whole digest of the plan that the operator means; what was typed may be its beginning.
Outcome<std::string> digest_of(Session& session, const ApproveOptions& options, const Document& plan) {
  const std::string digest = text(plan, "digest");
  if (!options.digest.empty()) {
    if (options.digest.size() >= kShortestDigest && digest.starts_with(options.digest)) return digest;
    return tl::unexpected(Failure{kRefused,
                                  "the digest of plan " + options.plan + " is not " + options.digest,
                                  "You may be looking at another plan: bascule failback list"});
  }
  if (options.yes || !session.terminal.interactive) return digest;
  print_plan(session, plan.dump());
  if (session.confirmed("Type yes to approve what is shown:", "yes")) return digest;
  return tl::unexpected(Failure{kRefused, "not approved: nothing was done", ""});
}

int approve(Session& session, const ApproveOptions& options) {
  const auto at = options.at.empty() ? std::nullopt : local_time(options.at);
  if (!at && !options.at.empty())
    return session.report(
        {kUsage, "--at: \"" + options.at + "\" is no time", "Write it as \"2026-12-01 02:00\"."});
  const auto shown = session.get(plan_path(options.plan));
  if (!shown) return session.report(shown.error());
  const auto digest = digest_of(session, options, parse(*shown));
  if (!digest) return session.report(digest.error());
  const auto approved = session.change("POST", plan_path(options.plan) + "/approve",
                                       json::encode_text(ApproveBody{*digest, options.reason, at}));
  if (!approved) return session.report(approved.error());
  const bool follow = !options.no_wait && options.at.empty();
  const auto ended = !follow ? session.get(plan_path(options.plan)) : follow_plan(session, options.plan);
  const int code = session.show(ended, [&session](const std::string& body) { print_plan(session, body); });
  if (code != kDone || !follow) return code;
  return text(parse(*ended), "phase") == "done" ? kDone : kRefused;
}

void add_plan(CLI::App& failback, Session& session) {
  const auto request = std::make_shared<PlanBody>();
  CLI::App& plan = add_command(
      failback, session, "plan", "Show what would move home, and why that is safe; moves nothing",
      "  bascule failback plan            all VMs that are away\n  bascule failback plan web-1 web-2",
      [&session, request] { return make_plan(session, *request); });
  plan.add_option("vm", request->vms, "Names or ids; all that are away when none is given")->type_name("VM");
  plan.add_option("--reason", request->reason, "Goes into the audit")->type_name("TEXT");
}

void add_approve(CLI::App& failback, Session& session) {
  const auto options = std::make_shared<ApproveOptions>();
  CLI::App& approving = add_command(
      failback, session, "approve", "Approve a plan, and follow it to its end",
      "  bascule failback approve plan-7 --digest 4be1c09a77d2 --reason \"paris-1 is repaired\"\n"
      "  bascule failback approve plan-7 --reason \"tonight is quiet\" --at \"2026-12-01 02:00\"\n\n"
      "The digest is what the plan shows; its first 12 characters are enough. Without it, the plan is shown "
      "and you\n"
      "are asked. The manager refuses a plan when anything it had read has changed since.",
      [&session, options] { return approve(session, *options); });
  approving.add_option("plan", options->plan, "Id of the plan")->required()->type_name("PLAN");
  approving.add_option("--digest", options->digest, "Of the plan as you saw it")->type_name("DIGEST");
  approving.add_option("--reason", options->reason, "Why; goes into the audit")
      ->required()
      ->type_name("TEXT");
  approving
      .add_option("--at", options->at,
                  "Not before this time of yours, such as \"2026-12-01 02:00\"; at once without it")
      ->type_name("TIME");
  approving.add_flag("--yes", options->yes, "Approve without being asked");
  approving.add_flag("--no-wait", options->no_wait, "Don't follow it to its end");
}

void add_show(CLI::App& failback, Session& session) {
  const auto plan = std::make_shared<std::string>();
  add_command(failback, session, "show", "One plan, as it stands", "  bascule failback show plan-7",
              [&session, plan] {
                return session.show(session.get(plan_path(*plan)),
                                    [&session](const std::string& body) { print_plan(session, body); });
              })
      .add_option("plan", *plan, "Id of the plan")
      ->required()
      ->type_name("PLAN");
}

void add_abort(CLI::App& failback, Session& session) {
  const auto plan = std::make_shared<std::string>();
  const auto reason = std::make_shared<std::string>();
  CLI::App& aborting = add_command(
      failback, session, "abort", "Call off a plan: what isn't being shut down yet stays where it is",
      "  bascule failback abort plan-7 --reason \"paris has lost a line again\"", [&session, plan, reason] {
        const auto done = session.change("POST", plan_path(*plan) + "/abort", reason_body(*reason));
        if (!done) return session.report(done.error());
        return session.show(session.get(plan_path(*plan)),
                            [&session](const std::string& body) { print_plan(session, body); });
      });
  aborting.add_option("plan", *plan, "Id of the plan")->required()->type_name("PLAN");
  aborting.add_option("--reason", *reason, "Why; goes into the audit")->required()->type_name("TEXT");
}

}  // namespace

void add_failback_commands(CLI::App& app, Session& session) {
  CLI::App& failback = add_group(app, "failback", "The way home, by approved plans only");
  add_plan(failback, session);
  add_approve(failback, session);
  add_abort(failback, session);
  add_show(failback, session);
  add_command(failback, session, "list", "All plans", "  bascule failback list", [&session] {
    return session.show(session.get("/v1/failback/plans"),
                        [&session](const std::string& body) { print_plans(session, body); });
  });
}

}  // namespace bascule::cli
