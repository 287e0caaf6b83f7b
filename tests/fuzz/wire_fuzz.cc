// What hosts, guards and managers say to each other, and the files in which they keep it.
#include <doctest/doctest.h>

#include "base/json.h"
#include "base/wire.h"
#include "cluster/records.h"
#include "cluster/store_memory.h"
#include "hostd/guard/lease_file.h"
#include "hostd/tombstones.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/api/example_state.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace bascule {
namespace {

const std::vector<std::string> kJsonWords = {"{",
                                             "}",
                                             "[",
                                             "]",
                                             ":",
                                             ",",
                                             "\"",
                                             "\\",
                                             "null",
                                             "true",
                                             "\\u0000",
                                             "\\ud800",
                                             "\"type\"",
                                             "\"hello\"",
                                             "\"start_vm\"",
                                             "\"protocol\":",
                                             "\xff",
                                             "\xc3\xa9",
                                             "1e5",
                                             "\"error\":{}",
                                             "[[",
                                             "\"spec\":",
                                             "{\"a\":"};

std::vector<std::string> good_messages() {
  wire::Hello hello;
  hello.host = HostId("paris-1");
  hello.domains.push_back(
      {VmId("00000000-0000-4000-8000-000000000001"), Generation(4), wire::DomainState::running, "é"});
  wire::Command command;
  wire::StartVm start;
  start.spec.name = "web-1";
  start.spec.disks.push_back({"metro", "web-1.raw", 64, DiskFormat::raw});
  start.spec.nics.push_back({"br0", "52:54:00:00:00:07"});
  start.spec.kernel = KernelBoot{"metro", "vmlinuz", "initrd", "console=ttyS0"};
  command.order = start;
  const wire::CommandReply reply{
      ActionId("a"), Error{ErrorCode::timeout, "late"}, {}, {{"gold", "web-1", WallTime{9}}}, {}};
  const VmId vm("00000000-0000-4000-8000-000000000001");
  const wire::VolumeSeen volume{"gold",
                                "web-1",
                                "primary",
                                "follows",
                                true,
                                true,
                                false,
                                WallTime{9},
                                5ms,
                                4096,
                                wire::ClusterCopies{2, 3, {"osd.1"}},
                                std::nullopt,
                                7,
                                wire::VolumeTaken{"gold", "web-1", WallTime{6}},
                                {{"daily", WallTime{8}}},
                                {}};
  const wire::VolumesSeen seen{vm, {volume}};
  wire::Command change = command;
  change.order = wire::ChangeVolumes{start.spec, wire::Grow{"gold", "web-1", 40}};
  wire::Command follow = command;
  follow.order = wire::FollowVolumes{start.spec};
  return {json::encode_text(wire::FromHost(hello)),
          json::encode_text(wire::FromHost(wire::Heartbeat{})),
          json::encode_text(wire::FromHost(reply)),
          json::encode_text(wire::FromManager(wire::Welcome{})),
          json::encode_text(wire::FromHost(seen)),
          json::encode_text(wire::FromManager(follow)),
          json::encode_text(wire::FromManager(change)),
          json::encode_text(wire::FromManager(command)),
          json::encode_text(wire::FromManager(wire::OpenStream{
              "bst_x", VmId("v"), Generation(3), {}, OperatorId("a"), Grant(), BrokenGlass(), 7448})),
          json::encode_text(
              wire::FromManager(wire::ReceiveImage{"bst_x", ImageId("i"), "gold", {}, 7, "a", 7448})),
          json::encode_text(wire::FromManager(wire::RemoveImage{ImageId("i"), "gold", "a"})),
          json::encode_text(wire::FromHost(wire::ImageSeen{ImageId("i"), {}, "why", 7})),
          json::encode_text(wire::LeaseRequest{}),
          json::encode_text(wire::LeaseReply{}),
          json::encode_text(wire::LeaseFile{})};
}

// What was understood is said again in words that are understood the same way.
template <class T>
void understood_or_refused(const std::string& text) {
  const Result<T> decoded = json::decode_text<T>(text, json::Unknown::tolerate);
  if (!decoded) {
    if (decoded.error().message.empty()) FAIL_CHECK("refused without a word: ", text);
    return;
  }
  const std::string said = json::encode_text(*decoded);
  const Result<T> again = json::decode_text<T>(said, json::Unknown::refuse);
  if (!again || json::encode_text(*again) != said) FAIL_CHECK("not what was understood: ", said);
}

TEST_CASE("wire messages, damaged") {
  fuzz::run({good_messages(), kJsonWords}, 8000, [](const std::string& text) {
    understood_or_refused<wire::FromHost>(text);
    understood_or_refused<wire::FromManager>(text);
    understood_or_refused<wire::LeaseRequest>(text);
    understood_or_refused<wire::LeaseReply>(text);
    understood_or_refused<wire::LeaseFile>(text);
  });
}

TEST_CASE("wire messages that are nested without end") {
  for (const std::string word : {"[", "{\"a\":", "[{\"type\":"}) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += word;
    CHECK_FALSE(json::decode_text<wire::FromHost>(text, json::Unknown::tolerate));
  }
}

TEST_CASE("a manager's records, damaged: it says which, and what to do") {
  const Snapshot snapshot = example_snapshot();
  const State& state = snapshot.state;
  const KeyValue host = pair_of(state.hosts.begin()->second.record);
  const KeyValue vm = pair_of(state.vms.begin()->second.record);
  const std::vector<KeyValue> records = {{"cluster", encode_text_of(state.cluster)},
                                         {"commit", encode_text_of(CommitMarker{})},
                                         {"term", "7"},
                                         host,
                                         vm};
  std::vector<std::string> good;
  for (const KeyValue& record : records) good.push_back(record.value);
  const SystemClock clock;
  std::uint64_t turn = 0;
  fuzz::run({good, kJsonWords}, 2000, [&](const std::string& text) {
    const std::string& key = records[turn++ % records.size()].key;
    MemoryStore store(clock);
    Transaction transaction;
    for (const KeyValue& record : records)
      if (record.key != "term")
        transaction.puts.push_back({record.key, record.key == key ? text : record.value});
    REQUIRE(store.commit(transaction));
    const Result<Loaded> loaded = load(store);
    if (!loaded && loaded.error().message.find("\"" + key + "\"") == std::string::npos)
      FAIL_CHECK("doesn't name the record: ", loaded.error().message);
  });
}

TEST_CASE("a host's own files, damaged") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  const BootId boot("11111111-2222-4333-8444-555555555555");
  {
    const auto tombstones = hostd::Tombstones::open(path, boot);
    REQUIRE(tombstones);
    REQUIRE((*tombstones)->hold(VmId("00000000-0000-4000-8000-000000000001"), Generation(4)));
    REQUIRE((*tombstones)->forbid(VmId("00000000-0000-4000-8000-000000000002"), Generation(9)));
  }
  const std::vector<std::string> good = {test::read_file(path), json::encode_text(wire::LeaseFile{})};
  fuzz::run({good, kJsonWords}, 1500, [&](const std::string& text) {
    test::write_file(path, text);
    const auto tombstones = hostd::Tombstones::open(path, boot);
    if (!tombstones && tombstones.error().message.find(path) == std::string::npos)
      FAIL_CHECK("doesn't name the file: ", tombstones.error().message);
    test::write_file(path, text);
    const auto lease = guard::read_lease_file(path);
    if (!lease && lease.error().message.empty()) FAIL_CHECK("refused without a word: ", text);
  });
}

}  // namespace
}  // namespace bascule
