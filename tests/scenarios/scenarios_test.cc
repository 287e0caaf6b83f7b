// Runs every tests/scenarios/*.txt: what is given, what happens when, and the log that must follow.
//
// Sections [given], [steps] and [log]. Each step is "<seconds> <what happens>". The log holds the engine's
// audit, notices and answers. BASCULE_UPDATE_SCENARIOS=1 writes the logs anew: read the difference before you
// commit it.
#include <doctest/doctest.h>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/scenarios/world.h"

namespace {

using namespace bascule;
using bascule::test::World;
using Words = std::vector<std::string>;

// Words are split at spaces; "…" keeps them together.
Words split(const std::string& line) {
  Words words;
  std::string word;
  bool quoted = false;
  for (char c : line) {
    if (c == '"')
      quoted = !quoted;
    else if (c == ' ' && !quoted) {
      if (!word.empty()) words.push_back(word);
      word.clear();
    } else
      word += c;
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

bool has(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}
std::string value(const Words& words, const std::string& key, const std::string& otherwise = "") {
  for (const std::string& word : words)
    if (word.starts_with(key + "=")) return word.substr(key.size() + 1);
  return otherwise;
}

struct Scenario {
  std::string title;
  std::vector<std::string> given, steps, log;
};

Scenario read(const std::filesystem::path& path) {
  Scenario scenario;
  std::ifstream file(path);
  std::string line;
  std::vector<std::string>* section = nullptr;
  while (std::getline(file, line)) {
    if (line == "[given]")
      section = &scenario.given;
    else if (line == "[steps]")
      section = &scenario.steps;
    else if (line == "[log]")
      section = &scenario.log;
    else if (!section)
      scenario.title += line + "\n";
    else if (!line.empty() && line.front() != '#')
      section->push_back(line);
  }
  return scenario;
}

void set_policy(Policy& policy, const Words& words) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string key = words[i].substr(0, words[i].find('='));
    const std::string text = value(words, key);
    if (key == "on_lease_loss")
      policy.on_lease_loss = text == "stop" ? LeaseMode::stop : LeaseMode::keep;
    else if (key == "brake_hosts")
      policy.brake_hosts = std::stoi(text);
    else if (key == "brake_site_percent")
      policy.brake_site_percent = std::stoi(text);
    else if (key == "brake_window")
      policy.brake_window = std::chrono::seconds(std::stoi(text));
    else if (key == "start_time")
      policy.start_time = std::chrono::seconds(std::stoi(text));
    else if (key == "plan_validity")
      policy.plan_validity = std::chrono::seconds(std::stoi(text));
    else
      FAIL("unknown policy " << words[i]);
  }
}

void give(World& world, const std::string& line) {
  const Words words = split(line);
  if (words[0] == "site")
    world.add_site(words[1]);
  else if (words[0] == "host") {
    world.add_host(words[1], words[2], !has(words, "no-bmc"), !has(words, "undrilled"));
    auto& machine = world.machines[HostId(words[1])];
    machine.memory_mib = std::stoull(value(words, "memory", "4096"));
    machine.guard_armed = has(words, "guard");
    machine.powered = !has(words, "dark");
  } else if (words[0] == "policy")
    set_policy(world.policy, words);
  else if (line == "volumes are mirrored")
    world.mirrored = true;
  else if (line == "doubles are expected")
    world.doubles_expected = true;
  else
    FAIL("unknown given: " << line);
}

VmId vm_id(const World& world, const std::string& name) {
  const auto found = world.state.vm_names.find(name);
  return found == world.state.vm_names.end() ? VmId(name) : found->second;
}

bool happens_to_machine(World& world, const Words& w) {
  const HostId id(w.size() > 1 ? w[1] : "");
  const auto found = world.machines.find(id);
  if (found == world.machines.end()) return false;
  auto& machine = found->second;
  if (w[0] == "crash")
    world.crash(id);
  else if (w[0] == "boot")
    world.boot(id);
  else if (w[0] == "freeze")
    machine.frozen = true;
  else if (w[0] == "thaw")
    world.thaw(id);
  else if (w[0] == "hostd")
    machine.hostd = has(w, "alive");
  else if (w[0] == "cut") {
    machine.to_manager = false;
    machine.to_peers = has(w, "manager");
  } else if (w[0] == "heal")
    machine.to_manager = machine.to_peers = true;
  else if (w[0] == "bmc") {
    if (has(w, "dead")) machine.bmc_alive = false;
    if (has(w, "mute")) machine.bmc_mute = true;
    if (has(w, "alive")) machine.bmc_alive = true;
    machine.bmc_guid = value(w, "guid", machine.bmc_guid);
    machine.bmc_controls = HostId(value(w, "controls", machine.bmc_controls.value));
  } else if (w[0] == "carries") {
    machine.carries =
        wire::StorageServer{id, {w.at(2)}, {}, has(w, "needed") ? "8 PGs would be offline" : ""};
    if (has(w, "down")) machine.carries->down = {w.at(2)};
  } else if (w[0] == "reconnect")
    machine.hellos = false;
  else if (w[0] == "refuse-start")
    machine.refuses_start = has(w, "invalid") ? ErrorCode::invalid : ErrorCode::unavailable;
  else if (w[0] == "accept-start")
    world.accept_start(id, has(w, "told"));
  else
    return false;
  return true;
}

bool happens_to_site(World& world, const Words& w) {
  if (w[0] == "site-crash" || w[0] == "site-cut") {
    for (const auto& entry : world.inventory.hosts) {
      if (entry.site.value != w[1]) continue;
      auto& machine = world.machines[entry.id];
      if (w[0] == "site-crash") world.crash(entry.id);
      machine.to_manager = machine.to_peers = false;
      if (has(w, "bmc-dead")) machine.bmc_alive = false;
    }
  } else if (w[0] == "storage-down")
    world.storage_down.insert(SiteId(w[1]));
  else if (w[0] == "storage-up")
    world.storage_down.erase(SiteId(w[1]));
  else if (w[0] == "manager-cut" || w[0] == "manager-heal") {
    for (auto& [id, machine] : world.machines) machine.to_manager = w[0] == "manager-heal";
  } else if (w[0] == "lose-lease-answers")
    world.lease_answers_lost = std::stoi(w[1]);
  else if (w[0] == "manager-stall")
    world.manager_runs = false;
  else if (w[0] == "manager-resume")
    world.resume_manager();
  else if (w[0] == "manager-restart")
    world.restart_manager();
  else if (w[0] == "database-restored") {
    world.state.cluster.recovering = true;
    world.restart_manager();
  } else
    return false;
  return true;
}

bool operator_asks(World& world, const Words& w) {
  const Asked asked = world.asked(value(w, "by", "alice"), value(w, "reason"));
  const std::string name = w.size() > 1 ? w[1] : "";
  if (w[0] == "start")
    world.send(StartVmAsked{asked, vm_id(world, name)});
  else if (w[0] == "stop")
    world.send(StopVmAsked{asked, vm_id(world, name),
                           has(w, "kill") ? wire::StopHow::kill : wire::StopHow::shutdown});
  else if (w[0] == "delete")
    world.send(DeleteVm{asked, vm_id(world, name)});
  else if (w[0] == "snapshot")
    world.send(ChangeVolumesAsked{asked, vm_id(world, name), wire::TakeSnapshot{w.at(2)}});
  else if (w[0] == "rollback")
    world.send(ChangeVolumesAsked{asked, vm_id(world, name), wire::RollBack{w.at(2)}});
  else if (w[0] == "grow")
    world.send(
        ChangeVolumesAsked{asked, vm_id(world, name), wire::Grow{"gold", "disk", std::stoull(w.at(2))}});
  else if (w[0] == "clear")
    world.send(ClearHost{asked, HostId(name)});
  else if (w[0] == "power")
    world.send(PowerHost{asked, HostId(name), has(w, "on")});
  else if (w[0] == "drill")
    world.send(DrillHost{asked, HostId(name)});
  else if (w[0] == "attest") {
    AttestDown down{asked, HostId(name), value(w, "serial"),
                    BootId(value(w, "boot", world.copy_of(HostId(name)).boot_id.value)), std::nullopt};
    if (!value(w, "second").empty()) down.second = OperatorId(value(w, "second"));
    world.send(down);
  } else if (w[0] == "plan") {
    PlanFailback plan{asked, {}};
    if (!name.empty()) plan.vms.push_back(vm_id(world, name));
    world.send(plan);
  } else if (w[0] == "approve") {
    REQUIRE(!world.state.plans.empty());
    const FailbackPlan& last = world.state.plans.rbegin()->second;
    world.send(ApproveFailback{asked, last.id, value(w, "digest", last.digest)});
  } else
    return false;
  return true;
}

bool happens_to_vm(World& world, const Words& w) {
  if (w[0] == "create") {
    world.create(
        w[1], w[2], static_cast<std::uint32_t>(std::stoul(value(w, "memory", "512"))),
        [&](VmSpec& spec) {
          spec.priority = std::stoi(value(w, "priority", "100"));
          spec.protected_ = !has(w, "unprotected");
        },
        !has(w, "stopped"));
    return true;
  }
  const VmId id = vm_id(world, w.size() > 1 ? w[1] : "");
  const auto found = world.state.vms.find(id);
  if (found == world.state.vms.end()) return false;
  const HostId owner = found->second.record.placement.owner.value_or(HostId());
  if (w[0] == "vm-crash")
    world.domain_ends(owner, id, wire::DomainCause::crashed);
  else if (w[0] == "guest-shutdown")
    world.domain_ends(owner, id, wire::DomainCause::shutdown_by_guest);
  else if (w[0] == "virsh-destroy")
    world.domain_ends(owner, id, wire::DomainCause::out_of_band);
  else if (w[0] == "virsh-start")
    world.domain_starts(HostId(value(w, "on")), id, Generation(std::stoull(value(w, "generation", "0"))));
  else if (w[0] == "deaf")
    world.deaf.insert(id);
  else
    return false;
  return true;
}

void run(World& world, const Scenario& scenario) {
  for (const std::string& line : scenario.given) give(world, line);
  world.start();
  for (const std::string& line : scenario.steps) {
    const std::size_t space = line.find(' ');
    const auto at = std::chrono::milliseconds(static_cast<std::int64_t>(std::stod(line) * 1000));
    REQUIRE_MESSAGE(at >= world.elapsed(), "steps must be in order: " << line);
    world.run(at - world.elapsed());
    const std::string what = line.substr(space + 1);
    if (what == "end") return;
    world.say("> " + what);
    const Words words = split(what);
    const bool known = happens_to_machine(world, words) || happens_to_site(world, words) ||
                       happens_to_vm(world, words) || operator_asks(world, words);
    REQUIRE_MESSAGE(known, "unknown step: " << line);
  }
}

void rewrite(const std::filesystem::path& path, const std::vector<std::string>& log) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  std::string all = text.str();
  all = all.substr(0, all.find("[log]\n"));
  std::ofstream out(path);
  out << all << "[log]\n";
  for (const std::string& line : log) out << line << '\n';
}

}  // namespace

TEST_CASE("scenarios") {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(BASCULE_SOURCE_DIR "/tests/scenarios"))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  REQUIRE(paths.size() >= 15);
  for (const auto& path : paths) {
    CAPTURE(path.filename().string());
    const Scenario scenario = read(path);
    World world;
    run(world, scenario);
    for (const std::string& words : world.wrongs) FAIL_CHECK(path.filename().string() << ": " << words);
    if (std::getenv("BASCULE_UPDATE_SCENARIOS")) {
      rewrite(path, world.log);
      continue;
    }
    for (std::size_t i = 0; i < std::max(world.log.size(), scenario.log.size()); ++i) {
      const std::string got = i < world.log.size() ? world.log[i] : "(nothing)";
      const std::string want = i < scenario.log.size() ? scenario.log[i] : "(nothing)";
      if (got == want) continue;
      FAIL_CHECK(path.filename().string()
                 << " line " << i + 1 << "\n  expected: " << want << "\n  got:      " << got);
      break;
    }
  }
}
