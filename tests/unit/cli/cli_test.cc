#include <doctest/doctest.h>
#include <stdlib.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/audit_chain.h"
#include "base/json.h"
#include "base/sha256.h"
#include "cli/app.h"
#include "cli/vm_spec.h"

using namespace bascule;
using namespace bascule::cli;

namespace {

// Answers requests from a list, and keeps them.
struct Script {
  std::deque<Result<net::HttpResponse>> answers;
  bool repeat = false;  // the last answer for ever
  std::vector<net::HttpRequest> asked;

  void answer(std::string body, int status = 200) {
    net::HttpResponse response;
    response.status = status;
    response.body = std::move(body);
    answers.emplace_back(std::move(response));
  }
};

class FakeClient final : public net::HttpClient {
 public:
  explicit FakeClient(Script& script) : script_(script) {}
  Result<net::HttpResponse> request(const net::HttpRequest& request, Duration) override {
    script_.asked.push_back(request);
    if (script_.answers.empty()) return failure(ErrorCode::unavailable, "connection refused");
    auto answer = script_.answers.front();
    if (!script_.repeat || script_.answers.size() > 1) script_.answers.pop_front();
    return answer;
  }

 private:
  Script& script_;
};

struct Desk {
  Script script;
  std::ostringstream out, err;
  std::istringstream in;
  Terminal terminal;

  int run(const std::vector<std::string>& arguments) {
    Session session(out, err, in, terminal,
                    [this](const Globals&, const AskSecret&) -> Outcome<std::unique_ptr<net::HttpClient>> {
                      return std::make_unique<FakeClient>(script);
                    });
    return bascule::cli::run(arguments, session);
  }
};

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> all;
  for (std::string word; stream >> word;) all.push_back(word);
  return all;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const char* const kHost =
    R"({"name": "paris-1", "site": "paris", "phase": "held", "reason": "fencing_unavailable", "boot_id": "b-1",
        "fencing": {"state": "failing", "because": "x", "bmc_guid": "SER-1"}, "would_start": ["web-1", "web-2"]})";
const char* const kPlan =
    R"({"id": "plan-7", "digest": "4be1c09a77d2ffff", "phase": "proposed", "author": "alice", "created": 0,
        "expires": 1764000000000, "items": [{"name": "web-1", "vm": "v", "from": {"host": "lyon-1", "boot_id": "b"},
        "to": {"host": "paris-1", "boot_id": "b"}, "phase": "waiting", "why_safe": "stopped first"}]})";

}  // namespace

TEST_CASE("the help of every command exits 0 and has an example") {
  const auto commands = all_commands();
  CHECK(commands.size() >= 25);
  for (const std::string& command : commands) {
    Desk desk;
    auto arguments = words(command);
    arguments.push_back("--help");
    INFO(command);
    CHECK(desk.run(arguments) == kDone);
    const bool says = contains(desk.out.str(), "Examples:") || contains(desk.out.str(), "See also:");
    CHECK(says);
    CHECK(desk.script.asked.empty());
  }
}

TEST_CASE("wrong usage is exit code 2, and nothing is sent") {
  for (const char* line :
       {"", "nonsense", "vm", "vm start", "vm kill web-1", "host clear paris-1", "vm list --what",
        "explain web-1", "vm create --name x --home paris --memory much",
        "vm create --name x --home paris --memory 64 --disk a:b", "failback approve plan-1"}) {
    Desk desk;
    INFO(line);
    CHECK(desk.run(words(line)) == kUsage);
    CHECK(desk.script.asked.empty());
    CHECK_FALSE(desk.err.str().empty());
  }
}

TEST_CASE("an unreachable manager is exit code 3 and says what to do") {
  Desk desk;
  CHECK(desk.run({"status"}) == kUnreachable);
  CHECK(contains(desk.err.str(), "connection refused"));
  CHECK(contains(desk.err.str(), "bascule-manager"));
}

TEST_CASE("a refusal is exit code 1 and shows the manager's words") {
  Desk desk;
  desk.script.answer(R"({"detail": "web-1 runs already", "code": "conflict", "errors": []})", 409);
  CHECK(desk.run({"vm", "start", "web-1"}) == kRefused);
  CHECK(desk.err.str() == "bascule: web-1 runs already\n");
  REQUIRE(desk.script.asked.size() == 1);
  CHECK(desk.script.asked[0].target == "/v1/vms/web-1/start");
  CHECK(is_valid_uuid(desk.script.asked[0].headers.at("x-request-id")));
}

TEST_CASE("a lost answer is looked up by the request's id, and is exit code 4 when unknown") {
  Desk desk;
  desk.script.answers.emplace_back(failure(ErrorCode::unknown_outcome, "connection lost"));
  SUBCASE("it went well") {
    desk.script.answer(R"({"state": "done", "subject": "v"})");
    CHECK(desk.run({"vm", "start", "web-1"}) == kDone);
    CHECK(contains(desk.script.asked[1].target, desk.script.asked[0].headers.at("x-request-id")));
  }
  SUBCASE("nobody knows") {
    desk.script.answer(R"({"detail": "no operation", "code": "not_found"})", 404);
    CHECK(desk.run({"vm", "start", "web-1"}) == kUnknown);
    CHECK(contains(desk.err.str(), "connection lost"));
  }
}

TEST_CASE("a long operation is followed to its end") {
  Desk desk;
  desk.script.answer(R"({"state": "running"})", 202);
  desk.script.answer(R"({"state": "running"})");
  desk.script.answer(
      R"({"state": "failed", "error": {"code": "conflict", "message": "the BMC is another's"}})");
  CHECK(desk.run({"host", "drill", "paris-1"}) == kRefused);
  CHECK(contains(desk.err.str(), "the BMC is another's"));
}

TEST_CASE("waiting has a bound, and what goes on after it is exit code 4") {
  Desk desk;
  desk.script.answer(R"({"state": "running"})", 202);
  desk.script.answer(R"({"state": "running"})");
  desk.script.repeat = true;
  CHECK(desk.run({"--wait", "1", "vm", "stop", "web-1"}) == kUnknown);
  CHECK(contains(desk.err.str(), "still works on it after 1 s"));
}

TEST_CASE("--json prints the API's own representation, before or after the command") {
  for (const auto& arguments : {std::vector<std::string>{"--json", "vm", "list"}, {"vm", "list", "--json"}}) {
    Desk desk;
    desk.script.answer(R"({"items":[]})");
    CHECK(desk.run(arguments) == kDone);
    CHECK(desk.out.str() == "{\n  \"items\": []\n}\n");
  }
}

TEST_CASE("tables are aligned, coloured only when asked to, and foreign text can't steer the terminal") {
  Table table({"VM", "STATE"});
  table.add({{"wéb"}, {"up", Tone::good}});
  table.add({{"a\033[2J"}, {"x"}});
  std::ostringstream plain, coloured;
  table.print(plain, false);
  CHECK(plain.str() == "VM     STATE\nwéb    up\na?[2J  x\n");
  table.print(coloured, true);
  CHECK(contains(coloured.str(), "\033[32mup\033[0m"));
  CHECK_FALSE(contains(coloured.str(), "\033[2J"));
}

TEST_CASE("the VM list says why a VM could not be switched") {
  Desk desk;
  desk.script.answer(
      R"({"items": [{"name": "web-1", "state": "running", "host": "lyon-1", "site": "lyon", "home": "paris",
          "away": true, "switchable_now": {"value": false, "because": "no room"}}]})");
  CHECK(desk.run({"vm", "list"}) == kDone);
  CHECK(contains(desk.out.str(), "web-1  running  lyon-1  lyon  paris  away  no, because no room"));
}

TEST_CASE("attest-down shows what is signed, and signs nothing unasked") {
  Desk desk;
  desk.script.answer(kHost);
  const std::vector<std::string> arguments{"host", "attest-down", "paris-1", "--reason", "unplugged"};
  SUBCASE("without a terminal") {
    CHECK(desk.run(arguments) == kRefused);
    CHECK(desk.script.asked.size() == 1);
  }
  SUBCASE("the wrong answer") {
    desk.terminal.interactive = true;
    desk.in.str("yes\n");
    CHECK(desk.run(arguments) == kRefused);
    CHECK(desk.script.asked.size() == 1);
  }
  SUBCASE("signed") {
    desk.terminal.interactive = true;
    desk.in.str("paris-1\n");
    desk.script.answer(R"({"state": "done"})");
    CHECK(desk.run(arguments) == kDone);
    REQUIRE(desk.script.asked.size() == 2);
    CHECK(desk.script.asked[1].body == R"({"boot_id":"b-1","reason":"unplugged","serial":"SER-1"})");
  }
  for (const char* shown : {"SER-1", "b-1", "web-1, web-2"}) CHECK(contains(desk.err.str(), shown));
}

TEST_CASE("a plan shows what would move and the exact command to approve it") {
  Desk desk;
  desk.script.answer(R"({"state": "done", "subject": "plan-7"})");
  desk.script.answer(kPlan);
  CHECK(desk.run({"failback", "plan"}) == kDone);
  CHECK(contains(desk.out.str(), "web-1  lyon-1  paris-1  waiting  stopped first"));
  CHECK(contains(desk.out.str(), "bascule failback approve plan-7 --digest 4be1c09a77d2 --reason"));
}

TEST_CASE("an approval carries the digest of the plan that was seen, and is followed to its end") {
  Desk desk;
  desk.script.answer(kPlan);
  SUBCASE("another plan than was seen") {
    CHECK(desk.run({"failback", "approve", "plan-7", "--digest", "000000000000", "--reason", "r"}) ==
          kRefused);
    CHECK(desk.script.asked.size() == 1);
  }
  SUBCASE("done") {
    desk.script.answer(R"({"state": "done"})");
    desk.script.answer(R"({"id": "plan-7", "phase": "running"})");
    desk.script.answer(R"({"items": [], "next": 9})");
    desk.script.answer(R"({"id": "plan-7", "phase": "done"})");
    CHECK(desk.run({"failback", "approve", "plan-7", "--digest", "4be1c09a77d2", "--reason", "r"}) == kDone);
    CHECK(desk.script.asked[1].body == R"({"digest":"4be1c09a77d2ffff","reason":"r"})");
    CHECK(desk.script.asked.size() == 5);
  }
  SUBCASE("for later, and not followed") {
    desk.script.answer(R"({"state": "done"})");
    desk.script.answer(R"({"id": "plan-7", "phase": "approved", "not_before": 1796083200000})");
    CHECK(desk.run({"failback", "approve", "plan-7", "--reason", "r", "--at", "2026-12-01 02:00"}) == kDone);
    CHECK(contains(desk.script.asked[1].body, R"("not_before":179)"));
    CHECK(contains(desk.out.str(), "begins 2026-12-01T00:00:00.000Z"));
  }
  SUBCASE("at no time") {
    CHECK(desk.run({"failback", "approve", "plan-7", "--reason", "r", "--at", "tonight"}) == kUsage);
    CHECK(desk.script.asked.empty());
  }
  SUBCASE("refused on the way") {
    desk.script.answer(R"({"state": "done"})");
    desk.script.answer(R"({"id": "plan-7", "phase": "refused"})");
    CHECK(desk.run({"failback", "approve", "plan-7", "--reason", "r"}) == kRefused);
  }
}

TEST_CASE("a plan is called off, and an incident is told on one time axis") {
  Desk desk;
  SUBCASE("called off") {
    desk.script.answer(R"({"state": "done"})");
    desk.script.answer(kPlan);
    CHECK(desk.run({"failback", "abort", "plan-7", "--reason", "a line is lost again"}) == kDone);
    CHECK(desk.script.asked[0].target == "/v1/failback/plans/plan-7/abort");
  }
  SUBCASE("an incident") {
    desk.script.answer(
        R"({"id": "i000001", "kind": "host_lost", "hosts": ["paris-1"], "vms": ["v"], "switched": ["v"],
            "opened": 1796083200000, "timeline": [{"number": 3, "at": 1796083199000, "what": "suspect_host",
            "subject": "host/paris-1", "actor": "engine", "reason": "heartbeats_missed"}]})");
    CHECK(desk.run({"incidents", "i000001"}) == kDone);
    CHECK(contains(desk.out.str(), "1 of 1 VMs switched"));
    CHECK(contains(desk.out.str(), "-1.0 s  2026-11-30T23:59:59.000Z suspect_host"));
  }
}

TEST_CASE("a broken audit chain is exit code 1") {
  Desk desk;
  desk.script.answer(R"({"intact": false, "records": 0, "detail": "entry 7 was changed"})");
  CHECK(desk.run({"audit", "verify"}) == kRefused);
  CHECK(contains(desk.out.str(), "entry 7 was changed"));
}

TEST_CASE("the audit is exported, proved without the manager, and damage is exit code 1") {
  std::string folder = (std::filesystem::temp_directory_path() / "bascule-cli-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const auto key = SigningKey::make(folder + "/key.pem");
  REQUIRE(key);
  std::ofstream(folder + "/pub.pem") << key->public_pem();
  AuditHead head;
  const std::string line = R"({"number":1,"at":1000,"previous":")" + head.hash +
                           R"(","record":{"actor":"alice","what":"=cmd","words":"says \"no\""}})";
  head = {1, sha256_hex(line)};
  const std::string page = json::Value{
      {"lines", {line, checkpoint_line(sign_checkpoint(*key, ClusterId("demo"), head, WallTime{2}))}},
      {"next", 1}}.dump();
  Desk desk;
  desk.script.answer(page);
  desk.script.answer(R"({"lines": [], "next": 1})");
  const std::string file = folder + "/audit.jsonl";
  REQUIRE(desk.run({"audit", "export", "--out", file}) == kDone);
  CHECK(desk.script.asked.back().target == "/v1/audit/export?limit=1000&after=1");
  CHECK(desk.run({"audit", "check", file, "--key", folder + "/pub.pem"}) == kDone);
  CHECK(contains(desk.out.str(), "intact: records 1 to 1, signed by 1 checkpoints\n"));
  CHECK(desk.run({"audit", "check", file, "--key", folder + "/none.pem"}) == kUsage);
  CHECK(desk.run({"audit", "check", folder + "/none", "--key", folder + "/pub.pem"}) == kRefused);
  std::string changed = line;
  changed.replace(changed.find("alice"), 5, "mallo");
  std::ofstream(file) << changed << '\n'
                      << checkpoint_line(sign_checkpoint(*key, ClusterId("demo"), head, WallTime{2})) << '\n';
  CHECK(desk.run({"audit", "check", file, "--key", folder + "/pub.pem"}) == kRefused);
  CHECK(contains(desk.out.str(), "audit entry 1 is not what its checkpoint signs"));

  desk.script.answer(page);
  desk.script.answer(R"({"lines": [], "next": 1})");
  REQUIRE(desk.run({"audit", "export", "--out", folder + "/audit.csv", "--format", "csv"}) == kDone);
  std::ifstream csv(folder + "/audit.csv");
  const std::string rows((std::istreambuf_iterator<char>(csv)), {});
  CHECK(
      contains(rows, ",\"alice\",\"'=cmd\",\"\",\"\",\"says \"\"no\"\"\",\"\"," + sha256_hex(line) + "\r\n"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("disks, nics and sizes are read") {
  CHECK(parse_mib("20G").value() == 20480);
  CHECK(parse_mib("96").value() == 96);
  for (const char* wrong : {"", "G", "-1", "1.5G", "20X", "99999999999999999999", "18446744073709551615T"})
    CHECK_FALSE(parse_mib(wrong));
  const auto disk = parse_disk("metro:web-1.qcow2:20G:qcow2");
  REQUIRE(disk);
  CHECK(disk->size_mib == 20480);
  CHECK(disk->format == DiskFormat::qcow2);
  const auto clone = parse_disk("gold:web-1:20G:from=debian-12:iops=500:mib_per_second=40");
  REQUIRE(clone);
  CHECK(clone->from == "debian-12");
  CHECK(clone->iops_limit == 500);
  CHECK(clone->mib_per_second_limit == 40);
  for (const char* wrong :
       {"a:b:1G:from=", "a:b:1G:iops=", "a:b:1G:iops=-1", "a:b:1G:iops=1k", "a:b:1G:qcow2=1"})
    CHECK_FALSE(parse_disk(wrong));
  CHECK_FALSE(parse_disk("metro:web-1"));
  CHECK_FALSE(parse_disk("metro:web-1:1G:vmdk"));
  CHECK(parse_nic("br0:52:54:00:12:34:56")->mac == "52:54:00:12:34:56");
  CHECK(parse_nic("br0")->bridge == "br0");
  CHECK_FALSE(parse_nic(""));
}

TEST_CASE("vm create sends what was asked for, and shows the VM") {
  Desk desk;
  desk.script.answer(R"({"state": "done", "subject": "v-1"})");
  desk.script.answer(
      R"({"name": "web-1", "id": "v-1", "state": "running", "host": "paris-1", "site": "paris"})");
  CHECK(desk.run({"vm", "create", "--name", "web-1", "--home", "paris", "--memory", "1G", "--disk",
                  "metro:a:1G", "--disk", "metro:b:2G", "--nic", "br0", "--kernel", "metro:vmlinuz",
                  "--initrd", "initrd.img", "--stopped"}) == kDone);
  const std::string body = desk.script.asked[0].body;
  for (const char* part :
       {R"("memory_mib":1024)", R"("volume":"b")", R"("start":false)", R"("initrd":"initrd.img")"})
    CHECK(contains(body, part));
  CHECK(contains(desk.out.str(), "paris-1 at paris"));
}

TEST_CASE("what a machine uses is shown with units, and a day of it as a curve") {
  Desk desk;
  json::Value steps = json::Value::array();
  const std::int64_t day = 1'800'000'000'000;
  for (int i = 0; i < 288; ++i)
    if (i < 96 || i >= 192)  // eight hours in which nobody could look
      steps.push_back(
          {{"at", day + i * 300'000}, {"cpus", i < 96 ? 0.5 : 1.0}, {"disk_written_bytes", 1536}});
  const json::Value now{{"at", day}, {"cpus", 1.25}, {"memory_bytes", 3u << 30}, {"disk_reads", 7}};
  desk.script.answer(json::text_of({{"now", now}, {"step_ms", 300'000}, {"steps", steps}}));
  CHECK(desk.run({"vm", "metrics", "web-1"}) == 0);
  CHECK(desk.script.asked[0].target == "/v1/vms/web-1/metrics");
  const std::string shown = desk.out.str();
  CHECK(contains(shown, "1.25"));
  CHECK(contains(shown, "3.0 GiB"));
  CHECK(contains(shown, "7/s"));
  CHECK(contains(shown, "1.5 KiB/s"));
  CHECK(contains(shown, "▄▄▄▄▄▄▄▄        ████████"));
}

TEST_CASE("a machine that doesn't run, and was never seen, uses nothing that is known") {
  Desk desk;
  desk.script.answer(R"({"step_ms": 300000, "steps": []})");
  CHECK(desk.run({"host", "metrics", "paris-1"}) == 0);
  CHECK(contains(desk.out.str(), "processors at work  -"));
}
