// What the manager itself lives on, and when that is said to end soon.
#include "api/validity.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/certificates.h"
#include "base/durable_file.h"
#include "base/net/crl.h"

using namespace bascule;
using namespace bascule::api;

namespace {

constexpr std::int64_t kDay_ms = std::int64_t{24} * 3600 * 1000;

// A certificate and a list of 30 days each, that begin now.
struct Files {
  Files() {
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    const std::string in = "cd " + folder + " && ";
    const std::string quiet = " > /dev/null 2>&1";
    const std::string config =
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n"
        "certificate=own.pem\nprivate_key=own.key\n";
    REQUIRE(write_whole("ca.cnf", config));
    REQUIRE(write_whole("index", ""));
    REQUIRE(write_whole("number", "01\n"));
    REQUIRE(
        std::system((in + "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 " +
                     "-subj /CN=manager -keyout own.key -out own.pem" + quiet)
                        .c_str()) == 0);
    REQUIRE(std::system(
                (in + "openssl ca -config ca.cnf -gencrl -crldays 30 -out cards.crl" + quiet).c_str()) == 0);
  }
  ~Files() { std::filesystem::remove_all(folder); }

  bool write_whole(const std::string& name, const std::string& text) const {
    return write_durably(folder + "/" + name, text).has_value();
  }
  CertificateFacts served() const { return *read_certificate(*read_whole(watched().certificate, 65536)); }
  Watched watched() const { return {folder + "/own.pem", folder + "/cards.crl"}; }

  std::string folder = (std::filesystem::temp_directory_path() / "bascule-validity-XXXXXX").string();
};

}  // namespace

TEST_CASE_FIXTURE(Files, "what has a quarter of its time left is said to end soon, and what to do") {
  const auto after = [&](std::int64_t days) { return WallTime{served().from.unix_ms + days * kDay_ms}; };
  CHECK(what_ends_soon(watched(), served(), after(1)).empty());
  CHECK(what_ends_soon(watched(), served(), after(22)).empty());
  const auto soon = what_ends_soon(watched(), served(), after(23));
  REQUIRE(soon.size() == 2);
  CHECK(soon.at("certificate").find("ends at " + to_iso8601(served().until) + ": put a new one into") !=
        std::string::npos);
  CHECK(soon.at("crl").find("then nobody gets in by card") != std::string::npos);
  CHECK(what_ends_soon(watched(), served(), after(31)).at("crl").find("has ended at") != std::string::npos);
}

TEST_CASE_FIXTURE(Files, "a new certificate in its place is none until the manager is restarted") {
  CertificateFacts old = served();
  old.fingerprint = "another";
  old.from.unix_ms -= 29 * kDay_ms;
  old.until.unix_ms -= 29 * kDay_ms;
  const auto words = what_ends_soon({watched().certificate, ""}, old, SystemClock().wall());
  REQUIRE(words.size() == 1);
  CHECK(words.at("certificate").find(": a new one is in ") != std::string::npos);
  CHECK(words.at("certificate").find("restart bascule-manager") != std::string::npos);
}

TEST_CASE_FIXTURE(Files, "what can't be read is said, and what isn't there isn't watched") {
  const WallTime now = SystemClock().wall();
  CHECK(what_ends_soon({watched().certificate, ""}, served(), now).empty());
  const auto words = what_ends_soon({watched().certificate, folder + "/ca.cnf"}, served(), now);
  REQUIRE(words.size() == 1);
  CHECK(words.at("crl").find("is no certificate revocation list") != std::string::npos);
  const SystemClock clock;
  CHECK_FALSE(Validity::start({folder + "/missing.pem", ""}, clock, [](const EndsSoon&) { return true; }));
}

TEST_CASE_FIXTURE(Files, "what is found is posted at once, and once") {
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<EndsSoon> posted;
  {
    const SystemClock clock;
    const auto validity =
        Validity::start({watched().certificate, folder + "/missing.crl"}, clock, [&](EndsSoon event) {
          const std::lock_guard lock(mutex);
          posted.push_back(std::move(event));
          arrived.notify_all();
          return true;
        });
    REQUIRE(validity);
    std::unique_lock lock(mutex);
    REQUIRE(arrived.wait_for(lock, 30s, [&] { return !posted.empty(); }));
  }
  REQUIRE(posted.size() == 1);
  CHECK(posted[0].subject == "crl");
  CHECK(posted[0].words.find("can't be read") != std::string::npos);
}
