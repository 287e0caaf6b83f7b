#include "cluster/fence_agents.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "cluster/fence_agents_answers.h"
#include "cluster/fence_agents_program.h"

namespace bascule {
namespace {

// Fence agents that are fence_ipmilan under another name: their BMC has a GUID that ipmitool can read.
constexpr std::array kIpmiAgents = {"fence_ipmilan", "fence_ilo3", "fence_ilo4",       "fence_ilo5",
                                    "fence_idrac",   "fence_imm",  "fence_ipmilanplus"};

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool has_control(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// The last line that a program said, for people; never a password.
std::string last_words(const ProgramOutput& output, const Secret& password) {
  std::string text = output.errors.empty() ? output.text : output.errors;
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.pop_back();
  text = text.substr(text.rfind('\n') + 1).substr(0, 200);
  if (!password.empty() && text.find(password.reveal()) != std::string::npos) return "(words withheld)";
  return text.empty() ? "no words" : text;
}

struct Look {
  Result<std::string> identity;
  PowerState power;
};

// What differs between the ways to talk to a BMC.
class Agent {
 public:
  virtual ~Agent() = default;
  virtual Result<std::string> identity(const std::stop_token& stop) = 0;
  virtual Result<PowerState> status(const std::stop_token& stop) = 0;
  virtual Result<Look> look(const std::stop_token& stop) = 0;
  virtual Status command(PowerState wanted, const std::stop_token& stop) = 0;
};

class Ipmitool final : public Agent {
 public:
  Ipmitool(BmcConfig config, FenceTimes times) : config_(std::move(config)), times_(times) {}

  // The raw request, because the printed form of `mc guid` depends on how a version guesses its encoding.
  Result<std::string> identity(const std::stop_token& stop) override {
    const Result<std::string> text = run({"raw", "0x06", "0x37"}, times_.read, stop);
    if (!text) return failure(text.error());
    return guid_in(*text, name());
  }

  Result<PowerState> status(const std::stop_token& stop) override {
    const Result<std::string> text = run({"chassis", "power", "status"}, times_.read, stop);
    if (!text) return failure(text.error());
    return power_in(*text, name());
  }

  // Both in one session, so that it is the same BMC which says who it is and that it is off.
  Result<Look> look(const std::stop_token& stop) override {
    const Result<std::string> text =
        run({"exec", "/proc/self/fd/0"}, times_.read, stop, "raw 0x06 0x37\nchassis power status\n");
    if (!text) return failure(text.error());
    const std::size_t second = std::min(text->find("Chassis"), text->size());
    const Result<PowerState> power = power_in(text->substr(second), name());
    if (!power) return failure(power.error());
    return Look{guid_in(text->substr(0, second), name()), *power};
  }

  Status command(PowerState wanted, const std::stop_token& stop) override {
    const Result<std::string> text =
        run({"chassis", "power", std::string(name_of(wanted))}, times_.command, stop);
    if (!text) return failure(text.error());
    return {};
  }

 private:
  std::string name() const { return "BMC " + config_.address; }

  Result<std::string> run(const std::vector<std::string>& request, Duration limit,
                          const std::stop_token& stop, const std::string& input = "") {
    const Result<Secret> password = read_secret_file(config_.password_file);
    if (!password) return failure(password.error());
    std::vector<std::string> argv = {"ipmitool", "-I",
                                     "lanplus",  "-C",
                                     "3",  // without -C it waits 10 s
                                     "-N",       "1",
                                     "-R",       "4",
                                     "-H",       config_.address,
                                     "-p",       std::to_string(config_.port),
                                     "-f",       config_.password_file};
    if (!config_.user.empty()) argv.insert(argv.end(), {"-U", config_.user});
    argv.insert(argv.end(), request.begin(), request.end());
    const Result<ProgramOutput> output = run_program(argv, input, limit, stop);
    if (!output) return failure(output.error().within(name()));
    if (output->exit_code != 0)
      return failure(ErrorCode::unavailable, name() + ": " + last_words(*output, *password));
    return output->text;
  }

  BmcConfig config_;
  FenceTimes times_;
};

// A program of the fence-agents package, which takes its options as name=value lines on standard input.
class FenceProgram final : public Agent {
 public:
  FenceProgram(const BmcConfig& config, FenceTimes times) : config_(config), times_(times) {
    const std::string program = base_name(config.agent);
    if (std::find(kIpmiAgents.begin(), kIpmiAgents.end(), program) == kIpmiAgents.end()) return;
    config_.options.try_emplace("lanplus", "1");
    config_.options.try_emplace("cipher", "3");
    ipmi_ = std::make_unique<Ipmitool>(config, times);
  }

  Result<std::string> identity(const std::stop_token& stop) override {
    if (ipmi_) return ipmi_->identity(stop);
    return failure(ErrorCode::not_found, config_.agent + " can't name its BMC, so its word is no evidence");
  }

  Result<PowerState> status(const std::stop_token& stop) override {
    const Result<int> code = run("status", times_.read, stop);
    if (!code) return failure(code.error());
    return *code == 0 ? PowerState::on : PowerState::off;
  }

  Result<Look> look(const std::stop_token& stop) override {
    const Result<PowerState> power = status(stop);
    if (!power) return failure(power.error());
    return Look{identity(stop), *power};
  }

  Status command(PowerState wanted, const std::stop_token& stop) override {
    const Result<int> code = run(name_of(wanted), times_.command, stop);
    if (!code) return failure(code.error());
    return {};
  }

 private:
  Result<int> run(std::string_view action, Duration limit, const std::stop_token& stop) {
    const Result<Secret> password = read_secret_file(config_.password_file);
    if (!password) return failure(password.error());
    const std::string who = config_.agent + " for " + config_.address;
    if (has_control(password->reveal()))
      return failure(ErrorCode::invalid, "the password of " + who + " holds a control character");
    std::string lines = "action=" + std::string(action) + "\nip=" + config_.address +
                        "\nipport=" + std::to_string(config_.port) + "\nusername=" + config_.user + "\n";
    for (const auto& [name, value] : config_.options) lines += name + "=" + value + "\n";
    const Secret input(lines + "password=" + password->reveal() + "\n");
    const Result<ProgramOutput> output = run_program({config_.agent}, input.reveal(), limit, stop);
    if (!output) return failure(output.error().within(who));
    const bool fine = output->exit_code == 0 || (output->exit_code == 2 && action == "status");
    if (!fine) return failure(ErrorCode::unavailable, who + ": " + last_words(*output, *password));
    return output->exit_code;
  }

  BmcConfig config_;
  FenceTimes times_;
  std::unique_ptr<Ipmitool> ipmi_;
};

class AgentFence final : public PowerFence {
 public:
  AgentFence(std::unique_ptr<Agent> agent, std::string name, const Clock& clock, FenceTimes times)
      : agent_(std::move(agent)), name_(std::move(name)), clock_(clock), times_(times) {}

  Result<std::string> identity(const std::stop_token& stop) override { return agent_->identity(stop); }
  Result<PowerState> status(const std::stop_token& stop) override { return agent_->status(stop); }

  Status on(const std::string& expected, const std::stop_token& stop) override {
    if (const Status s = check_identity(expected, stop); !s) return s;
    return agent_->command(PowerState::on, stop);
  }

  Result<PowerOffProof> off_verified(const std::string& expected, const std::stop_token& stop) override {
    if (const Status s = check_identity(expected, stop); !s) return failure(s.error());
    // A command whose answer was lost or was an error may have worked all the same: the reads tell.
    const Status commanded = agent_->command(PowerState::off, stop);
    PowerOffProof proof;
    proof.identity = expected;
    const Result<Instant> first = await_off(commanded, expected, stop);
    if (!first) return failure(first.error());
    proof.first_off = *first;
    if (!wait_until(*first + times_.between_reads, stop)) return failure(stopping());
    proof.second_off = clock_.now();
    const Result<PowerState> second = power_of(expected, stop);
    if (!second) return failure(second.error().within("second power read"));
    if (*second == PowerState::on)
      return failure(ErrorCode::conflict, name_ +
                                              " answered off and then on: it is not proved off. Somebody "
                                              "switches it on, or its BMC can't be trusted");
    return proof;
  }

 private:
  Status check_identity(const std::string& expected, const std::stop_token& stop) {
    return is_bound(agent_->identity(stop), expected);
  }

  // Of the bound BMC; `denied` when another one answered.
  Result<PowerState> power_of(const std::string& expected, const std::stop_token& stop) {
    const Result<Look> seen = agent_->look(stop);
    if (!seen) return failure(seen.error());
    if (const Status bound = is_bound(seen->identity, expected); !bound)
      return failure(bound.error().within("after the off command"));
    return seen->power;
  }

  Status is_bound(const Result<std::string>& found, const std::string& expected) const {
    if (!found && found.error().code != ErrorCode::not_found) return failure(found.error());
    const std::string identity = found ? *found : "";
    if (identity == expected) return {};
    const auto words = [](const std::string& id) { return id.empty() ? std::string("no GUID") : id; };
    return failure(ErrorCode::denied, name_ + " is another BMC than the one bound to this host: it has " +
                                          words(identity) + ", bound is " + words(expected) +
                                          ". Check addresses and cabling, then commission it");
  }

  // When the first answer "off" was there.
  Result<Instant> await_off(const Status& commanded, const std::string& expected,
                            const std::stop_token& stop) {
    const Instant deadline = clock_.now() + times_.become_off;
    for (;;) {
      const Result<PowerState> state = power_of(expected, stop);
      const Instant now = clock_.now();
      if (state && *state == PowerState::off) return now;
      if (!state && state.error().code == ErrorCode::denied) return failure(state.error());
      if (now >= deadline) {
        const std::string words = !commanded ? commanded.error().message
                                  : !state   ? state.error().message
                                             : name_ + " is still on though it accepted the off command";
        return failure(state ? ErrorCode::conflict : ErrorCode::timeout, "not proved off: " + words);
      }
      if (!wait_until(std::min(deadline, now + 200ms), stop)) return failure(stopping());
    }
  }

  // False: a stop was requested.
  bool wait_until(Instant time, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    while (clock_.now() < time && !stop.stop_requested())
      never.wait_for(lock, stop, time - clock_.now(), [] { return false; });
    return !stop.stop_requested();
  }

  Error stopping() const {
    return {ErrorCode::unavailable, "fencing by " + name_ + " was cut off because the manager stops"};
  }

  std::unique_ptr<Agent> agent_;
  std::string name_;
  const Clock& clock_;
  FenceTimes times_;
};

}  // namespace

std::string problem_of(const BmcConfig& config) {
  const std::string program = base_name(config.agent);
  const bool known = config.agent == "ipmitool" || (program.starts_with("fence_") && is_valid_name(program) &&
                                                    (program == config.agent || config.agent[0] == '/'));
  if (!known) return "agent: must be ipmitool or a fence agent such as fence_ipmilan";
  if (config.address.empty() || config.address[0] == '-') return "address: must be a name or an address";
  if (config.port == 0) return "port: must be from 1 to 65535";
  if (config.user.starts_with("-")) return "user: must not start with a dash";
  if (config.password_file.empty() || config.password_file[0] != '/')
    return "password_file: must be an absolute path";
  if (has_control(config.address) || has_control(config.user) || has_control(config.password_file))
    return "address, user, password_file: must not hold control characters";
  for (const auto& [name, value] : config.options) {
    if (!is_valid_name(name) || has_control(value))
      return "options." + name + ": must be one word and one line";
    for (const char* ours : {"action", "ip", "ipport", "username", "password", "passwd", "method"})
      if (name == ours) return "options." + name + ": is set by the manager itself";
  }
  if (config.agent == "ipmitool" && !config.options.empty()) return "options: are for fence agents only";
  return {};
}

Result<std::unique_ptr<PowerFence>> make_power_fence(const BmcConfig& config, const Clock& clock,
                                                     FenceTimes times) {
  if (const std::string problem = problem_of(config); !problem.empty())
    return failure(ErrorCode::invalid, "bmc." + problem);
  std::unique_ptr<Agent> agent;
  if (config.agent == "ipmitool")
    agent = std::make_unique<Ipmitool>(config, times);
  else
    agent = std::make_unique<FenceProgram>(config, times);
  return std::unique_ptr<PowerFence>(
      std::make_unique<AgentFence>(std::move(agent), "BMC " + config.address, clock, times));
}

}  // namespace bascule
