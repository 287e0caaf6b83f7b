#include "cluster/store_sqlite.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "tests/contract/store_contract.h"

using namespace bascule;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "bascule-store-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string database() const { return file("manager.db"); }

 private:
  fs::path path_;
};

Result<std::unique_ptr<Store>> open(const Folder& folder) {
  SystemRandom random;
  return open_sqlite_store(folder.database(), random);
}

std::unique_ptr<Store> must_open(const Folder& folder) {
  Result<std::unique_ptr<Store>> store = open(folder);
  REQUIRE_MESSAGE(store.has_value(), store.error().message);
  return std::move(*store);
}

void must_put(Store& store, const std::string& key, const std::string& value) {
  REQUIRE(store.commit({{}, Term(0), {{key, value}}, {}}).has_value());
}

void overwrite(const std::string& path, std::streamoff offset, std::size_t size) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offset);
  for (std::size_t i = 0; i < size; ++i) file.put('\xa5');
  REQUIRE(file.good());
}

}  // namespace

TEST_CASE("store contract: SQLite") {
  const Folder folder;
  check_store_contract([&] { return must_open(folder); });
}

TEST_CASE("a reopened SQLite store is the same one") {
  const Folder folder;
  const Epoch epoch = must_open(folder)->identity().epoch;
  {
    const auto store = must_open(folder);
    must_put(*store, "a", "1");
  }
  const auto store = must_open(folder);
  CHECK(store->identity().epoch == epoch);
  CHECK_FALSE(store->identity().created);
  CHECK_FALSE(store->identity().restored);
  CHECK(store->read("a")->pairs.size() == 1);
  const auto permissions = fs::status(folder.database()).permissions();
  CHECK((permissions & (fs::perms::group_all | fs::perms::others_all)) == fs::perms::none);
}

TEST_CASE("a second opener is refused and told who is there") {
  const Folder folder;
  auto store = must_open(folder);
  const auto second = open(folder);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == ErrorCode::conflict);
  CHECK(second.error().message.find("pid " + std::to_string(::getpid())) != std::string::npos);
  store.reset();
  CHECK(open(folder).has_value());
}

TEST_CASE("a restored database makes the next epoch, once, and stays recovering until told otherwise") {
  const Folder folder;
  const std::string backup = folder.file("backup.db");
  Epoch first;
  Revision last;
  {
    const auto store = must_open(folder);
    first = store->identity().epoch;
    must_put(*store, "a", "1");
  }
  fs::copy_file(folder.database(), backup);
  {
    const auto store = must_open(folder);
    must_put(*store, "a", "2");
    last = store->read("")->revision;
  }
  SUBCASE("written over the old file") {
    std::ofstream(folder.database(), std::ios::binary | std::ios::trunc)
        << std::ifstream(backup, std::ios::binary).rdbuf();
  }
  SUBCASE("put in its place") { fs::rename(backup, folder.database()); }
  SUBCASE("gone altogether") { fs::remove(folder.database()); }
  SUBCASE("current, but without its side file") { fs::remove(folder.file("epoch.json")); }
  SUBCASE("current, but the side file is garbage") { overwrite(folder.file("epoch.json"), 0, 40); }
  SUBCASE("current, but a copy of the whole folder") {
    fs::copy_file(folder.database(), folder.file("copy.db"));
    fs::rename(folder.file("copy.db"), folder.database());
  }
  Epoch second;
  for (int again = 0; again < 2; ++again) {
    const auto store = must_open(folder);
    CHECK(store->identity().restored);
    CHECK(store->identity().epoch.id != first.id);
    CHECK(store->identity().epoch.number == EpochNumber(2));
    if (again == 1) CHECK(store->identity().epoch == second);
    second = store->identity().epoch;
    CHECK(store->read("")->revision >= last);
    const auto recovering = store->read(kRecoveringKey);
    REQUIRE(recovering->pairs.size() == 1);
    CHECK(recovering->pairs[0].value.starts_with("{\"reason\":\""));
    if (again == 1) CHECK(store->commit({{}, Term(0), {}, {std::string(kRecoveringKey)}}).has_value());
  }
  const auto recovered = must_open(folder);
  CHECK_FALSE(recovered->identity().restored);
  CHECK(recovered->identity().epoch == second);
}

TEST_CASE("killed between its first epoch and the first epoch.json, a store is new, not restored") {
  const Folder folder;
  const Epoch first = must_open(folder)->identity().epoch;
  fs::remove(folder.file("epoch.json"));
  for (int again = 0; again < 2; ++again) {
    const auto store = must_open(folder);
    CHECK_FALSE(store->identity().restored);
    CHECK(store->identity().created == (again == 0));
    CHECK(store->identity().epoch == first);
  }
}

TEST_CASE("a damaged or foreign file is named as such and left alone") {
  const Folder folder;
  {
    const auto store = must_open(folder);
    for (int i = 0; i < 200; ++i) must_put(*store, "key/" + std::to_string(i), std::string(500, 'v'));
  }
  std::string expected = "put the last backup in its place";
  SUBCASE("garbage from its first byte") { overwrite(folder.database(), 0, 4096); }
  SUBCASE("garbage in the middle") {
    const auto size = static_cast<std::streamoff>(fs::file_size(folder.database()));
    overwrite(folder.database(), 4096 * 3, static_cast<std::size_t>(size) - 4096 * 4);
  }
  SUBCASE("cut short") { fs::resize_file(folder.database(), 4096 * 2); }
  SUBCASE("another program's database") {
    overwrite(folder.database(), 68, 4);  // where SQLite keeps the application id
    expected = "another program's";
  }
  const auto size = fs::file_size(folder.database());
  const auto store = open(folder);
  REQUIRE_FALSE(store.has_value());
  CHECK(store.error().code == ErrorCode::corrupt);
  CHECK_MESSAGE(store.error().message.find(expected) != std::string::npos, store.error().message);
  CHECK(store.error().message.find(folder.database()) != std::string::npos);
  CHECK(fs::file_size(folder.database()) == size);
}

TEST_CASE("a missing folder is an error that names it") {
  SystemRandom random;
  const auto store = open_sqlite_store("/nonexistent/bascule/manager.db", random);
  REQUIRE_FALSE(store.has_value());
  CHECK(store.error().code == ErrorCode::unavailable);
  CHECK(store.error().message.find("/nonexistent/bascule") != std::string::npos);
}

namespace {

// Commits pairs a/<slot> and b/<slot> of equal value until it is killed; each acknowledged number goes into
// the pipe. Never returns, and never runs the test program's own exit handlers.
[[noreturn]] void commit_until_killed(const Folder& folder, int pipe, std::uint64_t number) {
  const auto store = open(folder);
  if (!store) ::_exit(3);
  for (;; ++number) {
    const std::string slot = std::to_string(number % 40);
    const std::string value = std::to_string(number);
    const Transaction transaction{
        {}, Term(0), {{"a/" + slot, value}, {"b/" + slot, value}}, {"gone/" + slot}};
    if (!(*store)->commit(transaction)) ::_exit(4);
    if (::write(pipe, &number, sizeof number) != sizeof number) ::_exit(5);
  }
}

std::map<std::string, std::uint64_t> values_of(Store& store, const std::string& prefix) {
  std::map<std::string, std::uint64_t> values;
  const Result<StoreSnapshot> snapshot = store.read(prefix);
  REQUIRE(snapshot.has_value());
  for (const StoredPair& pair : snapshot->pairs)
    values[pair.key.substr(prefix.size())] = std::stoull(pair.value);
  return values;
}

}  // namespace

TEST_CASE("SIGKILL at any point loses no acknowledged commit and leaves no half of one") {
  const Folder folder;
  SystemRandom random;
  std::uint64_t last = 0;
  std::size_t acknowledged = 0;
  for (int round = 0; round < 20; ++round) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(ends[0]);
      commit_until_killed(folder, ends[1], last + 1);
    }
    ::close(ends[1]);
    // Every fourth is killed while it opens the store, the others after some commits, at a random moment.
    const std::uint64_t some = round % 4 == 0 ? 0 : 1 + random.next() % 12;
    std::uint64_t number = 0;
    for (std::uint64_t i = 0; i < some && ::read(ends[0], &number, sizeof number) == sizeof number; ++i) {
      last = number;
      ++acknowledged;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.next() % (some == 0 ? 30'000 : 5'000)));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    while (::read(ends[0], &number, sizeof number) == sizeof number) {
      last = number;
      ++acknowledged;
    }
    ::close(ends[0]);

    const auto store = must_open(folder);
    CHECK_FALSE(store->identity().restored);
    CHECK(store->identity().epoch.number == EpochNumber(1));
    const auto a = values_of(*store, "a/");
    CHECK(a == values_of(*store, "b/"));
    std::uint64_t newest = 0;
    for (const auto& [slot, value] : a) newest = std::max(newest, value);
    CHECK(newest >= last);
    CHECK(newest <= last + 1);  // the one whose acknowledgement was lost
    for (std::uint64_t i = newest; i > 0 && i + 40 > newest; --i) CHECK(a.at(std::to_string(i % 40)) == i);
    last = newest;
  }
  MESSAGE(acknowledged, " commits were acknowledged before 20 kills");
  CHECK(acknowledged > 20);
}

namespace {

// Exit code 0: the failing commit said so, and the store could not be used afterwards.
[[noreturn]] void commit_until_disk_fails(const Folder& folder, int pipe) {
  const auto store = open(folder);
  if (!store) ::_exit(3);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {256 * 1024, 256 * 1024};  // every file may grow this far: writes fail in mid-commit
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(4);
  for (std::uint64_t number = 1; number < 10'000; ++number) {
    const std::string value = std::to_string(number);
    const std::string slot = std::to_string(number % 40);
    const Result<Revision> done =
        (*store)->commit({{}, Term(0), {{"a/" + slot, value}, {"b/" + slot, value}}, {}});
    if (done && ::write(pipe, &number, sizeof number) != sizeof number) ::_exit(5);
    if (done) continue;
    if (done.error().code != ErrorCode::unknown_outcome) ::_exit(6);
    const Result<StoreSnapshot> after = (*store)->read("");
    ::_exit(!after && after.error().code == ErrorCode::unavailable ? 0 : 7);
  }
  ::_exit(8);
}

}  // namespace

TEST_CASE("after a disk that failed in a commit nothing is believed until the store is reopened") {
  const Folder folder;
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) commit_until_disk_fails(folder, ends[1]);
  ::close(ends[1]);
  std::uint64_t last = 0;
  for (std::uint64_t number = 0; ::read(ends[0], &number, sizeof number) == sizeof number;) last = number;
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(last > 0);
  const auto store = must_open(folder);
  CHECK_FALSE(store->identity().restored);
  const auto a = values_of(*store, "a/");
  CHECK(a == values_of(*store, "b/"));
  std::uint64_t newest = 0;
  for (const auto& [slot, value] : a) newest = std::max(newest, value);
  CHECK(newest >= last);
  CHECK(newest <= last + 1);
}
