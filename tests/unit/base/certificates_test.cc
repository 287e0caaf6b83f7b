#include "base/certificates.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/time.h"

namespace {

using namespace bascule;
namespace fs = std::filesystem;

struct AuthorityFolder {
  AuthorityFolder() {
    std::string name = (fs::temp_directory_path() / "bascule-authority-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem "
        "-days 30 "
        "-subj /CN=ca -addext keyUsage=critical,keyCertSign,cRLSign && chmod 600 ca.key");
  }
  ~AuthorityFolder() { fs::remove_all(path); }
  AuthorityFolder(const AuthorityFolder&) = delete;
  AuthorityFolder& operator=(const AuthorityFolder&) = delete;

  bool succeeds(const std::string& command) const {
    return std::system(("cd " + path + " && { " + command + "; } >log 2>&1").c_str()) == 0;
  }
  void run(const std::string& command) const { REQUIRE(succeeds(command)); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path + "/" + name) << text;
  }
  std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path + "/" + name).rdbuf();
    return text.str();
  }
  std::unique_ptr<Authority> authority() const {
    auto loaded = Authority::load(path + "/ca.pem", path + "/ca.key");
    REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
    return *std::move(loaded);
  }

  std::string path;
};

}  // namespace

TEST_CASE("a certificate says who its holder is, for how long, and belongs to the key that asked") {
  const AuthorityFolder folder;
  const KeyAndRequest asked = make_key_and_request("somebody-else");
  const auto issued = folder.authority()->issue(asked.request, "paris-1", "host", 30s);
  REQUIRE_MESSAGE(issued.has_value(), issued.error().message);
  folder.write("paris.pem", *issued);
  folder.write("paris.key", asked.key.reveal());
  CHECK(folder.succeeds("openssl verify -x509_strict -purpose sslclient -CAfile ca.pem paris.pem"));
  CHECK_FALSE(folder.succeeds("openssl verify -purpose sslserver -CAfile ca.pem paris.pem"));
  CHECK(folder.succeeds("openssl x509 -in paris.pem -noout -subject | grep -q 'OU = host, CN = paris-1$'"));
  CHECK(folder.succeeds(
      "test \"$(openssl x509 -in paris.pem -noout -pubkey)\" = \"$(openssl pkey -in paris.key -pubout)\""));

  const auto facts = read_certificate(*issued);
  REQUIRE(facts);
  const std::int64_t now = SystemClock().wall().unix_ms;
  CHECK(facts->from.unix_ms < now - 1'500);  // another's clock may be late
  CHECK(facts->until.unix_ms > now + 20'000);
  CHECK(facts->until.unix_ms < now + 40'000);
  CHECK(folder.succeeds("test \"$(openssl x509 -in paris.pem -noout -serial)\" = serial=" + facts->serial));
  folder.write("print", facts->fingerprint);
  CHECK(folder.succeeds("openssl x509 -in paris.pem -outform DER | sha256sum | grep -q \"^$(cat print) \""));
}

TEST_CASE("no two certificates have one serial number") {
  const AuthorityFolder folder;
  const auto authority = folder.authority();
  const KeyAndRequest asked = make_key_and_request("paris-1");
  const auto one = authority->issue(asked.request, "paris-1", "host", 30s);
  const auto other = authority->issue(asked.request, "paris-1", "host", 30s);
  REQUIRE(one);
  REQUIRE(other);
  CHECK(read_certificate(*one)->serial != read_certificate(*other)->serial);
}

TEST_CASE("what is no good request is refused") {
  const AuthorityFolder folder;
  const auto authority = folder.authority();
  const auto refusal = [&](const std::string& request) {
    const auto issued = authority->issue(request, "paris-1", "host", 30s);
    return issued ? "" : issued.error().message;
  };
  const std::string good = make_key_and_request("paris-1").request;
  CHECK_FALSE(refusal("").empty());
  CHECK_FALSE(refusal(std::string(20'000, 'A')).empty());
  CHECK_FALSE(refusal(folder.read("ca.pem")).empty());
  std::string altered = good;
  altered[altered.size() / 2] = altered[altered.size() / 2] == 'A' ? 'B' : 'A';
  CHECK_FALSE(refusal(altered).empty());
  folder.run("openssl req -new -newkey rsa:1024 -nodes -keyout weak.key -out weak.csr -subj /CN=x");
  CHECK(refusal(folder.read("weak.csr")).find("weak") != std::string::npos);
  folder.run("openssl req -new -newkey rsa:3072 -nodes -keyout rsa.key -out rsa.csr -subj /CN=x");
  CHECK(refusal(folder.read("rsa.csr")).empty());
}

TEST_CASE("an authority's key must be its own, and its owner's alone") {
  const AuthorityFolder folder;
  folder.run("openssl genpkey -algorithm ed25519 -out other.key && chmod 600 other.key");
  CHECK_FALSE(Authority::load(folder.path + "/ca.pem", folder.path + "/other.key"));
  CHECK_FALSE(Authority::load(folder.path + "/ca.pem", folder.path + "/none.key"));
  folder.run("chmod 644 ca.key");
  const auto open = Authority::load(folder.path + "/ca.pem", folder.path + "/ca.key");
  REQUIRE_FALSE(open);
  CHECK(open.error().code == ErrorCode::denied);
}
