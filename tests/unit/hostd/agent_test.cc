// Commands: what the agent obeys, refuses and answers.
#include "hostd/domain_xml.h"
#include "tests/unit/hostd/agent_fixture.h"

namespace bascule::hostd {
namespace {

// ---- Start ----

TEST_CASE_FIXTURE(Host, "a start makes the volume, runs the guest and reports it") {
  const auto reply = obey(start(1));
  REQUIRE(reply.has_value());
  REQUIRE_MESSAGE(!reply->error, reply->error->message);
  CHECK(reply->domain->state == wire::DomainState::running);
  CHECK(reply->domain->generation == Generation(1));
  CHECK(std::filesystem::exists(folder.path() + "/pool/web-1"));
  CHECK(runs());
  CHECK(identity_of(*hypervisor.xml(kVm)).name == "bascule-web-1");
}

TEST_CASE_FIXTURE(Host, "a start that is repeated is obeyed once and answered again") {
  const wire::Command order = start(1);
  must(order);
  agent->obey(order);
  CHECK(all<wire::CommandReply>().size() == 2);
  CHECK_FALSE(obey(start(1))->error.has_value());  // the same generation by a new action: it runs already
  CHECK(processes.scan()->size() == 1);
  CHECK(refusal(start(2)) == ErrorCode::conflict);
}

TEST_CASE_FIXTURE(Host, "a volume that is missing later is no reason to make an empty one") {
  CHECK(refusal(start(2)) == ErrorCode::unavailable);
  CHECK_FALSE(std::filesystem::exists(folder.path() + "/pool/web-1"));
}

TEST_CASE_FIXTURE(Host, "nothing starts beside a process of the VM that libvirt doesn't know") {
  processes.add(kVm, "bascule-web-1");
  CHECK(refusal(start(1)) == ErrorCode::conflict);
  CHECK_FALSE(hypervisor.xml(kVm).has_value());
}

TEST_CASE_FIXTURE(Host, "commands of another cluster, boot, time or manager are refused") {
  wire::Command order = start(1);
  order.cluster = ClusterId("other");
  CHECK(refusal(order) == ErrorCode::denied);
  order = start(1);
  order.boot_id = BootId("boot-0");
  CHECK(refusal(order) == ErrorCode::conflict);
  order = start(1);
  order.not_after = 1s;
  CHECK(refusal(order) == ErrorCode::timeout);
  order = start(1);
  order.term = Term(0);
  CHECK(refusal(order) == ErrorCode::conflict);
  order = start(1);
  order.manager = ManagerId("second");
  CHECK(refusal(order) == ErrorCode::conflict);
  order = start(1);
  order.epoch = {"older", EpochNumber(0)};
  CHECK(refusal(order) == ErrorCode::conflict);
  CHECK(processes.scan()->empty());
}

TEST_CASE_FIXTURE(Host, "a newer term is obeyed from then on, over restarts of the daemon") {
  wire::Command order = start(1);
  order.term = Term(9);
  must(order);
  boot();
  CHECK(agent->hello().term == Term(9));
  CHECK(refusal(stop(1, wire::StopHow::kill)) == ErrorCode::conflict);
  wire::Welcome welcome;
  welcome.cluster = ClusterId("demo");
  welcome.epoch = {"e", EpochNumber(1)};
  welcome.term = Term(8);
  CHECK_FALSE(agent->acceptable(welcome).has_value());
}

TEST_CASE_FIXTURE(Host, "without a lease in mode stop nothing starts") {
  lease_mode_stop(false, 0s);
  CHECK(refusal(start(1)) == ErrorCode::unavailable);
  CHECK(processes.scan()->empty());
  lease_mode_stop(true, 1000s);
  must(start(1));
}

TEST_CASE_FIXTURE(Host, "a lease that is lost while libvirt starts the guest stops it before it runs") {
  lease_mode_stop(true, 1000s);
  hypervisor.on_paused = [this](const VmId&) { lease_mode_stop(false, 0s); };
  CHECK(refusal(start(1)) == ErrorCode::unavailable);
  CHECK(processes.scan()->empty());
  CHECK(tombstones->record(kVm).held == Generation());
  lease_mode_stop(true, 1000s);
  hypervisor.on_paused = nullptr;
  must(start(1));  // nothing of it ran: the generation may be tried again
}

TEST_CASE_FIXTURE(Host, "a start that took too long is stopped before it runs") {
  wire::Command order = start(1);
  order.not_after = 200s;
  hypervisor.on_paused = [this](const VmId&) { clock.advance(150s); };
  CHECK(refusal(order) == ErrorCode::timeout);
  CHECK(processes.scan()->empty());
}

TEST_CASE_FIXTURE(Host, "a QEMU with a USB bus that the definition hides never runs") {
  hypervisor.set_qmp_answer(std::string(kPolicyQueries[0]), R"({"return":""})");
  const auto reply = obey(start(1));
  REQUIRE(reply->error.has_value());
  CHECK(reply->error->code == ErrorCode::policy);
  CHECK(reply->error->message.find("usb-bus") != std::string::npos);
  CHECK(processes.scan()->empty());
}

TEST_CASE_FIXTURE(Host, "libvirtd away: an order fails, what runs is still reported") {
  must(start(1));
  hypervisor.set_away(true);
  CHECK(refusal(stop(1, wire::StopHow::shutdown)) == ErrorCode::unavailable);
  agent->watch_processes();
  CHECK(runs());
}

// ---- Stop and forbid ----

TEST_CASE_FIXTURE(Host, "a stopped generation never starts again") {
  must(start(1));
  must(stop(1, wire::StopHow::kill));
  CHECK(domains().empty());
  CHECK(refusal(start(1)) == ErrorCode::conflict);
  must(start(2));
}

TEST_CASE_FIXTURE(Host, "a graceful stop answers when the guest is gone") {
  must(start(1));
  agent->obey(stop(1, wire::StopHow::shutdown));
  agent->watch_processes();
  const auto replies = all<wire::CommandReply>();
  REQUIRE(replies.size() == 2);
  CHECK_FALSE(replies.back().error.has_value());
  CHECK(replies.back().domain->state == wire::DomainState::gone);
  CHECK(all<wire::DomainChanged>().empty());
}

TEST_CASE_FIXTURE(Host, "a guest that ignores the shutdown is told of after the grace, and can be killed") {
  must(start(1));
  hypervisor.set_ignores_shutdown(true);
  CHECK_FALSE(obey(stop(1, wire::StopHow::shutdown, 10s)).has_value());
  clock.advance(11s);
  agent->watch_processes();
  CHECK(all<wire::CommandReply>().back().error->code == ErrorCode::timeout);
  CHECK(runs());
  must(stop(1, wire::StopHow::kill));
}

TEST_CASE_FIXTURE(Host, "a kill answers the graceful stop that it overtakes") {
  must(start(1));
  hypervisor.set_ignores_shutdown(true);
  CHECK_FALSE(obey(stop(1, wire::StopHow::shutdown, 60s)).has_value());
  must(forbid(1));
  CHECK(all<wire::CommandReply>().size() == 3);
}

TEST_CASE_FIXTURE(Host, "an old order doesn't stop a newer generation") {
  must(start(5 - 4));
  must(stop(1, wire::StopHow::kill));
  must(start(5));
  CHECK(refusal(stop(4, wire::StopHow::kill)) == ErrorCode::conflict);
  must(forbid(4));
  CHECK(runs());
}

TEST_CASE_FIXTURE(Host, "a forbidden generation is gone, and stays forbidden over restarts and boots") {
  must(start(1));
  const auto reply = obey(forbid(3));
  CHECK(reply->domain->state == wire::DomainState::gone);
  CHECK(processes.scan()->empty());
  boot();
  CHECK(refusal(start(3)) == ErrorCode::conflict);
  REQUIRE(agent->hello().tombstones.size() == 1);
  CHECK(agent->hello().tombstones[0].generation == Generation(3));
}

TEST_CASE_FIXTURE(Host, "forbid is not answered as done while a process of the VM can't be killed") {
  must(start(1));
  processes.make_unkillable(kVm);
  hypervisor.crash(kVm);
  processes.add(kVm, "bascule-web-1");
  CHECK(refusal(forbid(1)) == ErrorCode::unknown_outcome);
  CHECK(tombstones->record(kVm).forbidden == Generation(1));  // stored all the same
}

TEST_CASE_FIXTURE(Host, "forbid kills a process that libvirt doesn't know") {
  processes.add(kVm, "bascule-web-1");
  must(forbid(1));
  CHECK(processes.scan()->empty());
}

TEST_CASE_FIXTURE(Host, "forbid needs both witnesses: with libvirtd away it is not answered as done") {
  must(start(1));
  hypervisor.set_away(true);
  CHECK(refusal(forbid(1)) == ErrorCode::unknown_outcome);
  CHECK(processes.scan()->empty());  // killed all the same
}

TEST_CASE_FIXTURE(Host, "a deleted VM leaves nothing behind") {
  must(start(1));
  wire::Command order = command(1);
  order.order = wire::ForgetVm{spec(), true};
  must(order);
  CHECK_FALSE(std::filesystem::exists(folder.path() + "/pool/web-1"));
  CHECK(agent->hello().tombstones.empty());
}

}  // namespace
}  // namespace bascule::hostd
