// Against ipmi_sim (package openipmi) with a chassis script that keeps its power state in a file.
#include "cluster/fence_agents.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>
#include <utility>

#include "base/mailbox.h"
#include "child_process.h"
#include "cluster/fence_agents_program.h"

using namespace bascule;
namespace fs = std::filesystem;

namespace {

constexpr const char* kGuid = "a123456789abcdefa123456789000002";
constexpr FenceTimes kQuick = {5s, 5s, 3s, 1s};

// get power: plays back the lines of `script` while there are any, then says what `power` holds.
constexpr const char* kChassis = R"bash(#!/bin/bash
cd "$1"; echo "${@:2}" >> log
shift; [[ $1 == 0x* ]] && shift
operation=$1; shift
[ -s delay ] && sleep "$(cat delay)"
while [ $# -gt 0 ]; do
  case $operation/$1 in
    get/power)
      if [ -s script ]; then echo "power:$(head -1 script)"; sed -i 1d script
      else echo "power:$(cat power)"; fi
      shift ;;
    get/*) echo "$1:0"; shift ;;
    set/power) [ -e deaf ] || echo "$2" > power; shift 2 ;;
    set/*) shift 2 ;;
    *) shift ;;
  esac
done
)bash";

constexpr const char* kLan = R"(name "bmc"
startlan 1
  addr 127.0.0.1 @PORT@
  priv_limit admin
  allowed_auths_callback none md2 md5 straight
  allowed_auths_user none md2 md5 straight
  allowed_auths_operator none md2 md5 straight
  allowed_auths_admin none md2 md5 straight
  guid @GUID@
endlan
chassis_control "@FOLDER@/chassis @FOLDER@"
user 1 true "" "" user 10 none md2 md5 straight
user 2 true "admin" "secret" admin 10 none md2 md5 straight
)";

constexpr const char* kEmulator = R"(mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
)";

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

std::uint16_t free_udp_port() {
  const int file = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(file, generic, size) == 0);
  REQUIRE(::getsockname(file, generic, &size) == 0);
  ::close(file);
  return ntohs(address.sin_port);
}

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "bascule-bmc-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path(const std::string& name = "") const { return (path_ / name).string(); }
  void write(const std::string& name, const std::string& text, fs::perms mode = fs::perms(0600)) const {
    std::ofstream(path(name)) << text;
    fs::permissions(path(name), mode);
  }
  std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path(name)).rdbuf();
    return text.str();
  }

 private:
  fs::path path_;
};

// Killed and reaped when it goes, also out of a constructor that fails.
class Bmc {
 public:
  explicit Bmc(const std::string& guid = kGuid) : port_(free_udp_port()) {
    write_identity(guid);
    folder_.write("sim.emu", kEmulator);
    folder_.write("chassis", kChassis, fs::perms(0700));
    folder_.write("password", "secret\n");
    folder_.write("power", "1");
    start();
  }
  Bmc(const Bmc&) = delete;
  Bmc& operator=(const Bmc&) = delete;

  const Folder& folder() const { return folder_; }
  BmcConfig config(const std::string& agent = "ipmitool") const {
    return {agent, "127.0.0.1", port_, "admin", folder_.path("password"), {}};
  }
  std::unique_ptr<PowerFence> fence(const std::string& agent = "ipmitool", FenceTimes times = kQuick) const {
    auto made = make_power_fence(config(agent), clock_, times);
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    return std::move(*made);
  }
  std::string power() const { return folder_.read("power").substr(0, 1); }
  void freeze() const { ::kill(child_.pid, SIGSTOP); }
  // Another one at its address, which says the same about its power.
  void replace_by(const std::string& guid) {
    child_.end();
    write_identity(guid);
    start();
  }

 private:
  void write_identity(const std::string& guid) {
    std::string lan = kLan;
    std::string root = folder_.path();
    root.pop_back();
    replace_all(lan, "@PORT@", std::to_string(port_));
    replace_all(lan, "@GUID@", guid);
    replace_all(lan, "@FOLDER@", root);
    folder_.write("lan.conf", lan);
  }

  void start() {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 1, folder_.path("sim.log").c_str(), O_WRONLY | O_CREAT,
                                       0600);
    ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
    std::vector<std::string> words = {
        "ipmi_sim", "-n",          "-c", folder_.path("lan.conf"), "-f", folder_.path("sim.emu"),
        "-s",       folder_.path()};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int code = ::posix_spawnp(&child_.pid, "ipmi_sim", &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    REQUIRE_MESSAGE(code == 0, "ipmi_sim must be installed (package openipmi)");
    const auto probe = fence();
    bool answers = false;
    const Instant deadline = clock_.now() + 30s;
    while (!answers && clock_.now() < deadline) {
      answers = probe->status({}).has_value();
      if (!answers) std::this_thread::sleep_for(50ms);
    }
    REQUIRE_MESSAGE(answers, folder_.read("sim.log").substr(0, 1000));
  }

  Folder folder_;
  std::uint16_t port_;
  ChildProcess child_;
  SystemClock clock_;
};

// Neither running nor a zombie that nobody reaps here.
bool is_gone(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(stat, text)) return true;
  return text.find(") Z") != std::string::npos || text.find(") X") != std::string::npos;
}

}  // namespace

TEST_CASE("a program's output, exit code and environment") {
  const auto output = run_program({"sh", "-c", "cat; env; echo err >&2; exit 7"}, "to stdin\n", 10s, {});
  REQUIRE(output.has_value());
  CHECK(output->exit_code == 7);
  CHECK(output->text.find("to stdin") != std::string::npos);
  CHECK(output->text.find("err") == std::string::npos);  // a retry that is complained of is no answer
  CHECK(output->errors == "err\n");
  CHECK(output->text.find("LC_ALL=C") != std::string::npos);
  CHECK(output->text.find("HOME=") == std::string::npos);
  CHECK(run_program({"no-such-program"}, "", 10s, {}).error().code == ErrorCode::unavailable);
  const auto much = run_program({"sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x"}, "", 10s, {});
  REQUIRE(much.has_value());
  CHECK(much->text.size() == 64 * 1024);
  CHECK(run_program({"sh", "-c", "kill -9 $$"}, "", 10s, {}).error().code == ErrorCode::unavailable);
}

TEST_CASE("a program that doesn't end is killed with its children") {
  const Folder folder;
  const std::string script = "sleep 300 & echo $! > " + folder.path("child") + "; wait";
  const auto output = run_program({"sh", "-c", script}, "", 1s, {});
  REQUIRE_FALSE(output.has_value());
  CHECK(output.error().code == ErrorCode::timeout);
  const pid_t grandchild = std::stoi(folder.read("child"));
  for (int i = 0; i < 200 && !is_gone(grandchild); ++i) std::this_thread::sleep_for(10ms);
  CHECK(is_gone(grandchild));
}

TEST_CASE("a stop cuts a program off") {
  std::stop_source source;
  std::jthread stopper([&] { source.request_stop(); });
  const auto output = run_program({"sleep", "300"}, "", 300s, source.get_token());
  REQUIRE_FALSE(output.has_value());
  CHECK(output.error().code == ErrorCode::unavailable);
}

TEST_CASE("off is verified by two reads a second apart, each by the BMC that was bound") {
  const Bmc bmc;
  const auto fence = bmc.fence();
  CHECK(fence->identity({}) == std::string(kGuid));
  CHECK(fence->status({}) == PowerState::on);
  const auto proof = fence->off_verified(kGuid, {});
  REQUIRE_MESSAGE(proof.has_value(), proof.error().message);
  CHECK(proof->identity == kGuid);
  CHECK(proof->second_off - proof->first_off >= 1s);
  CHECK(bmc.power() == "0");
  CHECK(fence->off_verified(kGuid, {}).has_value());  // off already: proved all the same
  CHECK(fence->on(kGuid, {}).has_value());
  CHECK(fence->status({}) == PowerState::on);
  CHECK(bmc.folder().read("log").find("reset") == std::string::npos);
}

TEST_CASE("a BMC of another host is not commanded") {
  const Bmc bmc("b123456789abcdefa123456789000003");
  const auto fence = bmc.fence();
  const auto proof = fence->off_verified(kGuid, {});
  REQUIRE_FALSE(proof.has_value());
  CHECK(proof.error().code == ErrorCode::denied);
  CHECK(fence->on(kGuid, {}).error().code == ErrorCode::denied);
  CHECK(fence->off_verified("", {}).error().code == ErrorCode::denied);
  CHECK(bmc.power() == "1");
  CHECK(bmc.folder().read("log").find("set power") == std::string::npos);
}

TEST_CASE("a BMC that is exchanged between the command and the second read proves nothing") {
  Bmc bmc;
  const auto fence = bmc.fence("ipmitool", {5s, 5s, 3s, 4s});
  auto proof = std::async(std::launch::async, [&fence] { return fence->off_verified(kGuid, {}); });
  const SystemClock clock;
  for (const Instant deadline = clock.now() + 30s; bmc.power() != "0" && clock.now() < deadline;)
    std::this_thread::sleep_for(10ms);
  bmc.replace_by("b123456789abcdefa123456789000003");
  const Result<PowerOffProof> result = proof.get();
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::denied);
  CHECK(result.error().message.find("after the off command") != std::string::npos);
}

TEST_CASE("a BMC without a GUID can't be bound") {
  const Bmc bmc("00000000000000000000000000000000");
  CHECK(bmc.fence()->identity({}).error().code == ErrorCode::not_found);
}

TEST_CASE("a lying BMC proves nothing") {
  const Bmc bmc;
  const auto fence = bmc.fence();
  SUBCASE("off, then on") {
    bmc.folder().write("script", "0\n1\n");
    const auto proof = fence->off_verified(kGuid, {});
    REQUIRE_FALSE(proof.has_value());
    CHECK(proof.error().code == ErrorCode::conflict);
    CHECK(proof.error().message.find("not proved off") != std::string::npos);
  }
  SUBCASE("accepts the command and stays on") {
    bmc.folder().write("deaf", "");
    const auto proof = fence->off_verified(kGuid, {});
    REQUIRE_FALSE(proof.has_value());
    CHECK(proof.error().code == ErrorCode::conflict);
    CHECK(proof.error().message.find("still on") != std::string::npos);
  }
}

TEST_CASE("a slow BMC is waited for") {
  const Bmc bmc;
  bmc.folder().write("delay", "1.5");
  const auto proof = bmc.fence("ipmitool", {10s, 10s, 15s, 1s})->off_verified(kGuid, {});
  REQUIRE_MESSAGE(proof.has_value(), proof.error().message);
  CHECK(bmc.power() == "0");
}

TEST_CASE("a dead BMC is an error within the bound") {
  const Bmc bmc;
  bmc.freeze();
  const auto fence = bmc.fence("ipmitool", {1s, 1s, 1s, 1s});
  CHECK(fence->status({}).error().code == ErrorCode::timeout);
  CHECK(fence->off_verified(kGuid, {}).error().code == ErrorCode::timeout);
}

TEST_CASE("a password file that others can read, or the wrong password, is an error that says so") {
  const Bmc bmc;
  bmc.folder().write("password", "wrong\n");
  const auto refused = bmc.fence()->status({});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("wrong") == std::string::npos);
  fs::permissions(bmc.folder().path("password"), fs::perms(0644));
  const auto open = bmc.fence()->status({});
  REQUIRE_FALSE(open.has_value());
  CHECK(open.error().message.find("password") != std::string::npos);
}

TEST_CASE("fence_ipmilan does the same by the stdin protocol") {
  const Bmc bmc;
  const auto fence = bmc.fence("fence_ipmilan", {20s, 20s, 10s, 1s});
  CHECK(fence->identity({}) == std::string(kGuid));
  CHECK(fence->status({}) == PowerState::on);
  const auto proof = fence->off_verified(kGuid, {});
  REQUIRE_MESSAGE(proof.has_value(), proof.error().message);
  CHECK(bmc.power() == "0");
  CHECK(fence->status({}) == PowerState::off);
  CHECK(fence->on(kGuid, {}).has_value());
  CHECK(bmc.power() == "1");
}

TEST_CASE("a fence agent gets its secret on standard input only, and can't name a BMC") {
  const Folder folder;
  folder.write("password", "s3cret\n");
  folder.write("fence_test",
               "#!/bin/sh\ncd " + folder.path() +
                   "\necho \"$*\" > argv; env > environment; cat > input\n"
                   "grep -q action=status input && exit 2\nexit 0\n",
               fs::perms(0700));
  const SystemClock clock;
  const BmcConfig config{folder.path("fence_test"), "pdu-1",        23, "admin",
                         folder.path("password"),   {{"plug", "7"}}};
  const auto fence = make_power_fence(config, clock, kQuick);
  REQUIRE_MESSAGE(fence.has_value(), fence.error().message);
  CHECK((*fence)->status({}) == PowerState::off);
  CHECK(folder.read("input") ==
        "action=status\nip=pdu-1\nipport=23\nusername=admin\nplug=7\npassword=s3cret\n");
  CHECK(folder.read("argv") == "\n");
  CHECK(folder.read("environment").find("s3cret") == std::string::npos);
  CHECK((*fence)->identity({}).error().code == ErrorCode::not_found);
  CHECK((*fence)->off_verified(kGuid, {}).error().code == ErrorCode::denied);
  const auto proof = (*fence)->off_verified("", {});
  REQUIRE_MESSAGE(proof.has_value(), proof.error().message);
  CHECK(proof->identity.empty());
}

TEST_CASE("bad BMC settings are named") {
  const BmcConfig good{"ipmitool", "10.0.0.1", 623, "admin", "/etc/password", {}};
  CHECK(problem_of(good).empty());
  BmcConfig bad = good;
  bad.agent = "sh";
  CHECK(problem_of(bad).starts_with("agent"));
  bad.agent = "../fence_x";
  CHECK(problem_of(bad).starts_with("agent"));
  bad = good;
  bad.address = "-o";
  CHECK(problem_of(bad).starts_with("address"));
  bad = good;
  bad.user = "a\naction=on";
  CHECK_FALSE(problem_of(bad).empty());
  bad = good;
  bad.agent = "fence_ipmilan";
  bad.options = {{"action", "reboot"}};
  CHECK(problem_of(bad).starts_with("options.action"));
}

namespace {
class SlowFence final : public PowerFence {
 public:
  Result<std::string> identity(const std::stop_token&) override { return std::string(kGuid); }
  Result<PowerState> status(const std::stop_token& stop) override {
    while (!stop.stop_requested() && !released) std::this_thread::sleep_for(1ms);
    return PowerState::on;
  }
  Result<PowerOffProof> off_verified(const std::string& expected, const std::stop_token&) override {
    return PowerOffProof{expected, {}, {}};
  }
  Status on(const std::string&, const std::stop_token&) override { return {}; }
  static inline std::atomic<bool> released = false;
};
}  // namespace

TEST_CASE("reads of many dead BMCs don't delay a fencing") {
  SlowFence::released = false;
  std::map<HostId, std::unique_ptr<PowerFence>> fences;
  for (int i = 0; i < 8; ++i) fences[HostId("h" + std::to_string(i))] = std::make_unique<SlowFence>();
  Mailbox<FenceOutcome> outcomes(100);
  FenceAgents agents(std::move(fences), 4, [&](FenceOutcome outcome) { CHECK(outcomes.put(outcome)); });
  for (int i = 0; i < 8; ++i)
    REQUIRE(agents.request({ActionId("read"), HostId("h" + std::to_string(i)), FenceVerb::status, ""}));
  REQUIRE(agents.request({ActionId("off"), HostId("h7"), FenceVerb::off_verified, kGuid}));
  CHECK(agents.request({ActionId("x"), HostId("elsewhere"), FenceVerb::on, ""}).error().code ==
        ErrorCode::not_found);
  const auto first = outcomes.take(20s);
  REQUIRE(first.has_value());
  CHECK(first->request.action == ActionId("off"));
  REQUIRE(first->result.has_value());
  CHECK(std::get<PowerOffProof>(*first->result).identity == kGuid);
  SUBCASE("and all are answered in the end") {
    SlowFence::released = true;
    for (int i = 0; i < 8; ++i) CHECK(outcomes.take(20s).has_value());
  }
  SUBCASE("and a pool that goes away waits for none of them") {
    bool refused = false;
    for (int i = 0; i < 100 && !refused; ++i)
      refused = !agents.request({ActionId("more"), HostId("h0"), FenceVerb::status, ""}).has_value();
    CHECK(refused);
  }
}
