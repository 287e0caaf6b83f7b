#include "cluster/journal.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "cluster/journal_lines.h"
#include "cluster/replay.h"
#include "tests/unit/cluster/pump.h"
#include "tests/unit/hostd/temporary_folder.h"

using namespace ::test;
namespace fs = std::filesystem;

namespace {

std::string contents(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}
void replace_contents(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

std::vector<fs::path> segments_in(const std::string& directory) {
  std::vector<fs::path> paths;
  if (fs::is_directory(directory))
    for (const auto& entry : fs::directory_iterator(directory)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

Result<Replay> replayed(const fs::path& path) {
  return replay_segment(path.string(), [](const AuditEntry&) {});
}
void check_same(const fs::path& path) {
  const auto replay = replayed(path);
  REQUIRE_MESSAGE(replay.has_value(), replay.error().message);
  CHECK_MESSAGE(!replay->difference, "step ", replay->difference->step);
}

// A manager with its journal.
struct Recorded {
  TemporaryFolder folder;
  std::string directory = folder.path() + "/journal";
  SystemClock system_clock;
  Pump pump;
  std::optional<Journal> journal;

  void start(JournalOptions options = {}, Policy policy = {}) {
    if (options.directory.empty()) options.directory = directory;
    pump.begin_manager(policy);
    journal.emplace(options, policy, system_clock);
    journal->begin(pump.manager->state(), pump.manager->audit_head());
    pump.tell_stepped = [this](const std::vector<Stepped>& turn) {
      journal->record(turn, pump.manager->state());
    };
  }
  // Gives the only segment.
  fs::path close() {
    journal.reset();
    const auto segments = segments_in(directory);
    REQUIRE(segments.size() == 1);
    return segments[0];
  }
  // Time passes in which nobody hears paris-1.
  void unseen(Duration time) {
    for (const Instant end = pump.clock.at + time; pump.clock.at < end;) {
      pump.clock.at = pump.clock.at + 500ms;
      pump.post(HostHeartbeat{copy_of("lyon-1"), {0, 0ms, {}, {{HostId("paris-1"), 600s}}, {}}});
      pump.settle();
    }
  }
  // A host of mode `stop` is lost: its lease lapses, its VM starts at the other site.
  fs::path bascule() {
    Policy policy;
    policy.on_lease_loss = LeaseMode::stop;
    start({}, policy);
    pump.hosts_up();
    for (const char* host : {"paris-1", "lyon-1"}) pump.post(LeaseObserved{copy_of(host), true});
    pump.post(create_vm("web-1"));
    pump.pass(20s, {"paris-1", "lyon-1"});
    const auto commands = only<SendCommand>(pump.actions);
    REQUIRE(commands.size() == 1);
    pump.post(HostReplied{copy_of("paris-1"), {commands[0].action, std::nullopt, std::nullopt, {}, {}}});
    unseen(20s);
    REQUIRE_FALSE(only<RevokeLease>(pump.actions).empty());
    pump.post(LeaseRevoked{only<RevokeLease>(pump.actions).back().action, copy_of("paris-1"), true, 7, 18s});
    unseen(30s);
    REQUIRE(only<SendCommand>(pump.actions).back().to == copy_of("lyon-1"));
    return close();
  }
};

// ---- How many members a struct has, and how many of them its fields() names ----

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
struct Anything {
  template <class T>
  requires(!IsOptional<T>::value) operator T() const;  // NOLINT: declared only
};
template <class T, class... A>
constexpr std::size_t members() {
  if constexpr (requires { T{A{}..., Anything{}}; })
    return members<T, A..., Anything>();
  else
    return sizeof...(A);
}
struct FieldCounter {
  template <class M>
  void operator()(std::string_view, M&) {
    ++count;
  }
  template <class M>
  void optional(std::string_view, M&) {
    ++count;
  }
  std::size_t count = 0;
};
template <class T>
std::size_t fields_of() {
  T value{};
  FieldCounter counter;
  fields(counter, value);
  return counter.count;
}

template <class... Body>
void check_members(const std::variant<Body...>*) {
  const auto check = [](auto body, std::size_t all) {
    using Each = decltype(body);
    CAPTURE(Each::kType);
    CHECK(fields_of<Each>() == all);
  };
  (check(Body{}, members<Body>()), ...);
}

wire::VolumeSeen a_volume() {
  return {"gold",
          "web-1",
          "primary",
          "follows",
          true,
          true,
          false,
          WallTime{7},
          12ms,
          4096,
          wire::ClusterCopies{2, 3, {"osd.1"}},
          wire::ClusterCopies{2, 3, {}},
          9,
          wire::VolumeTaken{"gold", "web-1", WallTime{6}},
          {{"daily", WallTime{5}}},
          {{"web-1.raw.kept.7", WallTime{7}}}};
}

// In the order of EventBody, after those of hosts and operators.
std::vector<EventBody> of_people(const Asked& asked, const TenantImage& image) {
  return {CreateTenant{asked, TenantId("acme")},
          OpenAccess{asked, TenantId("acme"), AccessCategory::legal, 1h, "INC-1"},
          EndAccess{asked, AccessId("a1")},
          AcceptDelivery{asked, VmId("v")},
          WishReturn{asked, VmId("v"), WallTime{9}},
          AnnounceImage{asked, image},
          RemoveImageAsked{asked, ImageId("i")},
          SetRules{asked, TenantId("acme"), {16, true}},
          SetContacts{asked, TenantId("acme"), {"ops@acme.example"}},
          SetQuota{asked, TenantId("acme"), {10, 4096, 8, 65536}},
          InviteUser{asked, TenantId("acme"), "anna", {TenantRole::owner}, "hash", {"night"}},
          SetRole{asked, TenantId("acme"), "night", {Permission::run_machines}},
          ChangeUser{asked, OperatorId("acme/anna"), {TenantRole::viewer}, true, {"night"}},
          RemoveUser{asked, OperatorId("acme/anna")},
          SetPassword{asked, "hash", "", "$argon2id$"},
          OpenSession{asked, "$argon2id$", 7, "", TokenId("t"), 1000},
          SetSecondFactor{asked, "ABC", 8, {"r"}, 7, "q"},
          CreateToken{asked, TokenId("t"), "backup", {Permission::see_machines}, 1000},
          EndToken{asked, "t"},
          NoteAccess{asked, "GET /v1/vms/{id}", "vm/x", "why not"}};
}

std::vector<EventBody> one_of_each() {
  const Copy paris = copy_of("paris-1");
  const Status refused = failure(ErrorCode::timeout, "no answer");
  const Asked asked{RequestId("r1"), OperatorId("alice"), "because", TokenId("t1"), "digest", "v-7"};
  const VmId vm = std::get<CreateVm>(create_vm("web-1")).spec.id;
  wire::DomainReport domain{vm, Generation(3), wire::DomainState::paused, "why"};
  wire::Hello greeting = std::get<HostHello>(hello("paris-1")).hello;
  greeting.clock = 1234ms;
  greeting.domains = {domain};
  greeting.tombstones = {{vm, Generation(2)}};
  wire::Heartbeat beat{7, 99ms, {true, true, LeaseMode::stop, "p"}, {{HostId("lyon-1"), std::nullopt}}, {}};
  beat.storage = {{HostId("lyon-1"), {"osd.3", "mon.a"}, {"mon.a"}, "8 PGs would be offline"}};
  const wire::VolumeSeen volume = a_volume();
  const TenantImage image{1,
                          ImageId("i"),
                          TenantId("acme"),
                          "mine",
                          wire::ImageKind::iso,
                          "p",
                          5,
                          std::string(64, 'a'),
                          {},
                          "why",
                          7,
                          SiteId("s"),
                          OperatorId("acme/anna"),
                          {8}};
  std::vector<EventBody> all{
      HostHello{greeting},
      HostHeartbeat{paris, beat},
      HostDomainChanged{paris, {domain, wire::DomainCause::crashed}},
      HostFaultReported{paris, {"device", vm, true, "usb"}},
      HostVolumesSeen{paris, {vm, {volume}}},
      HostImageSeen{paris, {ImageId("i"), wire::ImageEnd::stored, "", 7}},
      HostReplied{paris,
                  {ActionId("a"), refused.error(), domain, {{"gold", "web-1", WallTime{5}}}, {volume}}},
      HostSessionClosed{paris, "gone"},
      PowerOffDone{ActionId("a"), HostId("paris-1"), {}, "guid", 1001ms},
      PowerOnDone{ActionId("a"), HostId("paris-1"), refused},
      BmcChecked{HostId("paris-1"), refused, "guid", true},
      LeaseObserved{paris, true},
      LeaseRevoked{ActionId("a"), paris, true, 12, 17600ms},
      LeaseAsked{paris},
      ChannelChanged{"sms", false, "gateway"},
      EndsSoon{"crl", "ends at noon"},
      Tick{},
      create_vm("web-1"),
      StartVmAsked{asked, vm},
      StopVmAsked{asked, vm, wire::StopHow::kill, true},
      DeleteVm{asked, vm},
      ChangeVolumesAsked{asked, vm, wire::TakeSnapshot{"daily"}},
      ChangeVm{asked, vm, "web-2", 128, 2, true},
      OpenConsole{asked, vm, wire::ConsoleKind::screen, true},
      CancelOperation{asked, RequestId("r0")},
      ClearHost{asked, HostId("paris-1")},
      InviteHost{asked, HostId("paris-1"), "hash"},
      EnrolHost{asked, HostId("paris-1"), "hash", {"0A", "0B"}},
      RenewCertificates{asked, HostId("paris-1"), {"0C", "0D"}, "0A"},
      ExpelHost{asked, HostId("paris-1")},
      PowerHost{asked, HostId("paris-1"), false},
      DrillHost{asked, HostId("paris-1")},
      AttestDown{asked, HostId("paris-1"), "serial", paris.boot_id, OperatorId("bob")},
      PlanFailback{asked, {vm}},
      ApproveFailback{asked, PlanId("p"), "digest", {7}},
      AbortFailback{asked, PlanId("p")},
      TestNotices{asked}};
  const std::vector<EventBody> people = of_people(asked, image);
  all.insert(all.end(), people.begin(), people.end());
  return all;
}

}  // namespace

TEST_CASE("every event and every part of State is written whole") {
  check_members(static_cast<const EventBody*>(nullptr));
  CHECK(fields_of<Asked>() == members<Asked>());
  CHECK(fields_of<HostLive>() + 1 == members<HostLive>());  // committed_mib is an index
  CHECK(fields_of<VmLive>() == members<VmLive>());
  CHECK(fields_of<IncidentLive>() == members<IncidentLive>());
  CHECK(fields_of<PendingAction>() == members<PendingAction>());
  CHECK(fields_of<Site>() == members<Site>());
  CHECK(fields_of<State>() + 4 == members<State>());  // four indexes
  CHECK(fields_of<Policy>() == members<Policy>());
}

TEST_CASE("every event comes back as it was written") {
  const std::vector<EventBody> bodies = one_of_each();
  REQUIRE(bodies.size() == std::variant_size_v<EventBody>);
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    CHECK(bodies[i].index() == i);
    const std::string text = json::encode_text(bodies[i]);
    CAPTURE(text);
    const auto back = json::decode_text<EventBody>(text, json::Unknown::refuse);
    REQUIRE_MESSAGE(back.has_value(), back.error().message);
    CHECK(back->index() == i);
    CHECK(json::encode_text(*back) == text);
  }
  const auto done = json::decode_text<EventBody>(json::encode_text(bodies[8]), json::Unknown::refuse);
  CHECK(std::get<PowerOffDone>(*done).outcome.has_value());
  const auto failed = json::decode_text<EventBody>(json::encode_text(bodies[9]), json::Unknown::refuse);
  CHECK(std::get<PowerOnDone>(*failed).outcome.error().code == ErrorCode::timeout);
}

TEST_CASE("what a manager decided is decided again, hash by hash") {
  Recorded recorded;
  const fs::path segment = recorded.bascule();
  struct stat status {};
  REQUIRE(stat(segment.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  std::vector<AuditEntry> decisions;
  const auto replay =
      replay_segment(segment.string(), [&](const AuditEntry& entry) { decisions.push_back(entry); });
  REQUIRE_MESSAGE(replay.has_value(), replay.error().message);
  CHECK_FALSE(replay->difference);
  CHECK_FALSE(replay->torn);
  CHECK(replay->build == build_id());
  CHECK(replay->steps > 100);
  CHECK(replay->audit.hash == recorded.pump.manager->audit_head().hash);
  CHECK(json::encode_text(replay->state) == json::encode_text(recorded.pump.manager->state()));
  const auto stored = read_audit(recorded.pump.store, 0, 1000);
  REQUIRE(stored.has_value());
  CHECK(json::encode_text(decisions) == json::encode_text(*stored));
}

TEST_CASE("a State that is read back has the indexes that it had") {
  Recorded recorded;
  recorded.bascule();
  State state = recorded.pump.manager->state();
  auto back = json::decode_text<State>(json::encode_text(state), json::Unknown::refuse);
  REQUIRE_MESSAGE(back.has_value(), back.error().message);
  rebuild_indexes(*back);
  CHECK_FALSE(state.host_deadlines.empty());
  CHECK(back->host_deadlines == state.host_deadlines);
  CHECK(back->vm_deadlines == state.vm_deadlines);
  CHECK(back->vm_names == state.vm_names);
  std::erase_if(state.vms_by_host, [](const auto& entry) { return entry.second.empty(); });
  CHECK_FALSE(state.vms_by_host.empty());
  CHECK(back->vms_by_host == state.vms_by_host);
  for (const auto& [id, host] : state.hosts)
    CHECK(back->hosts.at(id).live.committed_mib == host.live.committed_mib);
}

TEST_CASE("another policy, a changed event or a missing one is found") {
  Recorded recorded;
  const fs::path segment = recorded.bascule();
  const std::string whole = contents(segment);
  const auto change = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    replace_contents(segment, text.replace(at, from.size(), to));
    const auto replay = replayed(segment);
    REQUIRE_MESSAGE(replay.has_value(), replay.error().message);
    return replay->difference;
  };
  const auto policy = change("\"missed_heartbeats\":3", "\"missed_heartbeats\":9");
  REQUIRE(policy);
  CHECK(policy->event == "tick");
  CHECK(policy->recorded.number > policy->computed.number);
  const auto lapse = change("\"lapse_ms\":18000", "\"lapse_ms\":25000");
  REQUIRE(lapse);
  CHECK(lapse->step > policy->step);
  CHECK(change("\"by\":\"alice\"", "\"by\":\"mallory\""));

  const std::size_t created = whole.find("\"type\":\"create_vm\"");
  REQUIRE(created != std::string::npos);
  const std::size_t begin = whole.rfind('\n', created) + 1;
  const std::size_t end = whole.find('\n', created) + 1;
  CHECK(change(whole.substr(begin, end - begin), ""));
  CHECK_FALSE(change("\"build\":\"", "\"build\":\"other-"));
}

TEST_CASE("a last line that was cut off is left out; what can't be read is said") {
  Recorded recorded;
  const fs::path segment = recorded.bascule();
  const std::string whole = contents(segment);
  replace_contents(segment, whole.substr(0, whole.size() - 10));
  const auto torn = replayed(segment);
  REQUIRE(torn.has_value());
  CHECK(torn->torn);
  CHECK_FALSE(torn->difference);

  replace_contents(segment, whole + "{\"type\":\"step\"}\n");
  REQUIRE_FALSE(replayed(segment).has_value());
  CHECK(replayed(segment).error().code == ErrorCode::corrupt);
  const std::string format = "\"format\":" + std::to_string(kJournalFormat);
  std::string newer = whole;
  replace_contents(segment, newer.replace(newer.find(format), format.size(), "\"format\":9"));
  CHECK(replayed(segment).error().code == ErrorCode::invalid);
  CHECK(replayed(segment.string() + "x").error().code == ErrorCode::not_found);
}

TEST_CASE("a full segment is followed by the next without a gap, and the oldest are deleted") {
  Recorded recorded;
  JournalOptions options;
  options.most_bytes = 512 * 1024;
  options.most_waiting = 1'000'000;
  recorded.start(options);
  recorded.pump.hosts_up();
  recorded.pump.post(create_vm("web-1"));
  std::string first;
  for (int rounds = 0; rounds < 400; ++rounds) {
    recorded.pump.pass(5s, {"paris-1", "lyon-1"});
    const auto segments = segments_in(recorded.directory);
    if (first.empty() && !segments.empty()) first = segments[0].string();
    if (!first.empty() && !fs::exists(first)) break;
    // So that rolling, which is the writer's wish, keeps pace with the steps.
    for (int wait = 0; wait < 2000 && recorded.journal->waiting() > 0; ++wait)
      std::this_thread::sleep_for(1ms);
  }
  recorded.journal.reset();
  const auto segments = segments_in(recorded.directory);
  CHECK_FALSE(fs::exists(first));
  REQUIRE(segments.size() > 2);
  std::uint64_t bytes = 0;
  std::string state;
  for (const fs::path& segment : segments) {
    bytes += fs::file_size(segment);
    const std::string text = contents(segment);
    const auto header =
        json::decode_text<JournalLine>(text.substr(0, text.find('\n')), json::Unknown::refuse);
    REQUIRE_MESSAGE(header.has_value(), header.error().message);
    const std::string begun = json::encode_text(std::get<JournalHeader>(*header).state);
    if (!state.empty()) CHECK(begun == state);
    const auto replay = replayed(segment);
    REQUIRE_MESSAGE(replay.has_value(), replay.error().message);
    CHECK_FALSE(replay->difference);
    state = json::encode_text(replay->state);
  }
  CHECK(bytes <= options.most_bytes + 64 * 1024);
}

TEST_CASE("a journal that can't be written stops nothing, and goes on when it can") {
  Recorded recorded;
  const std::string in_the_way = recorded.folder.path() + "/file";
  replace_contents(in_the_way, "");
  JournalOptions options;
  options.directory = in_the_way + "/journal";
  options.retry = 1ms;
  recorded.start(options);
  recorded.pump.hosts_up();
  recorded.pump.post(create_vm("web-1"));
  recorded.pump.pass(20s, {"paris-1", "lyon-1"});
  CHECK(only<SendCommand>(recorded.pump.actions).size() == 1);

  fs::remove(in_the_way);
  fs::create_directory(in_the_way);
  for (int rounds = 0; rounds < 2000 && segments_in(options.directory).empty(); ++rounds) {
    recorded.pump.pass(500ms, {"paris-1", "lyon-1"});
    std::this_thread::sleep_for(5ms);
  }
  recorded.pump.pass(20s, {"lyon-1"});
  recorded.journal.reset();
  REQUIRE_FALSE(segments_in(options.directory).empty());
  for (const fs::path& segment : segments_in(options.directory)) check_same(segment);
}

TEST_CASE("turns beyond the queue are left out with a new segment, never waited for") {
  Recorded recorded;
  JournalOptions options;
  options.most_waiting = 2;
  recorded.start(options);
  recorded.pump.hosts_up();
  recorded.pump.pass(600s, {"paris-1", "lyon-1"});
  recorded.journal.reset();
  const auto segments = segments_in(recorded.directory);
  REQUIRE_FALSE(segments.empty());
  for (const fs::path& segment : segments) check_same(segment);
}
