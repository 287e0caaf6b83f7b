#include "base/audit_chain.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cstdlib>

#include <filesystem>
#include <fstream>
#include <vector>

#include "base/sha256.h"

using namespace bascule;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "bascule-audit-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path;
};

std::string entry(const AuditHead& head, const std::string& who = "alice") {
  return R"({"number":)" + std::to_string(head.number + 1) + R"(,"previous":")" + head.hash +
         R"(","record":{"actor":")" + who + R"("}})";
}

// Six entries, a checkpoint after the third and one after the last.
std::vector<std::string> export_of(const SigningKey& key) {
  std::vector<std::string> lines;
  AuditHead head;
  for (int i = 1; i <= 6; ++i) {
    lines.push_back(entry(head));
    head = {head.number + 1, sha256_hex(lines.back())};
    if (i % 3 == 0)
      lines.push_back(checkpoint_line(sign_checkpoint(key, ClusterId("demo"), head, WallTime{i})));
  }
  return lines;
}

std::string fault_of(const std::vector<std::string>& lines, const std::string& pem,
                     const std::vector<std::string>& outside = {}) {
  AuditReader reader(pem);
  for (const std::string& line : outside)
    if (const Status known = reader.expect(line); !known) return known.error().message;
  for (const std::string& line : lines)
    if (const Status follows = reader.next(line); !follows) return follows.error().message;
  const Status end = reader.end();
  return end ? "" : end.error().message;
}

}  // namespace

TEST_CASE("a key signs, is kept for its owner only, and another's signature is none") {
  const Folder folder;
  const auto key = SigningKey::make(folder.path + "/key.pem");
  REQUIRE(key);
  const std::string signature = *key->sign("text");
  CHECK(check_signature("text", signature, key->public_pem()));
  CHECK(!check_signature("texT", signature, key->public_pem()));
  CHECK(!check_signature("text", signature.substr(2), key->public_pem()));
  CHECK(!check_signature("text", std::string(128, 'g'), key->public_pem()));
  CHECK(!check_signature("text", signature, "no key"));
  const auto again = SigningKey::load(folder.path + "/key.pem");
  REQUIRE(again);
  CHECK(again->public_pem() == key->public_pem());
  ::chmod((folder.path + "/key.pem").c_str(), 0644);
  CHECK(!SigningKey::load(folder.path + "/key.pem"));
  CHECK(!SigningKey::load(folder.path + "/none.pem"));
  const auto other = SigningKey::make(folder.path + "/other.pem");
  REQUIRE(other);
  CHECK(!check_signature("text", *other->sign("text"), key->public_pem()));
  CHECK(read_public_key("# of acme\n" + key->public_pem() + "\n") == key->public_pem());
  CHECK(!read_public_key("no key"));
}

TEST_CASE("a key on P-256 signs as well as one of Ed25519, and is none of RSA or another curve") {
  const Folder folder;
  const auto make = [&](const std::string& name, const std::string& options) {
    const std::string path = folder.path + "/" + name;
    REQUIRE(std::system(
                ("umask 077 && openssl genpkey " + options + " -out " + path + " 2>/dev/null").c_str()) == 0);
    return SigningKey::load(path);
  };
  const auto key = make("p256.pem", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256");
  REQUIRE(key);
  const std::string signature = *key->sign("text");
  CHECK(signature.size() == 128);
  CHECK(check_signature("text", signature, key->public_pem()));
  CHECK(!check_signature("texT", signature, key->public_pem()));
  CHECK(!check_signature("text", std::string(128, '0'), key->public_pem()));
  CHECK(!check_signature("text", std::string(128, 'f'), key->public_pem()));
  CHECK(!check_signature("text", *make("ed.pem", "-algorithm ed25519")->sign("text"), key->public_pem()));
  CHECK(!make("p384.pem", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"));
  CHECK(!make("rsa.pem", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"));
}

TEST_CASE("an export is proved by itself and the public key, and each damage is named") {
  const Folder folder;
  const auto key = SigningKey::make(folder.path + "/key.pem");
  REQUIRE(key);
  const std::string pem = key->public_pem();
  const std::vector<std::string> good = export_of(*key);
  REQUIRE(good.size() == 8);
  CHECK(fault_of(good, pem).empty());

  std::vector<std::string> lines = good;
  lines[1].replace(lines[1].find("alice"), 5, "mallo");
  CHECK(fault_of(lines, pem).starts_with("audit entry 2 was changed"));
  lines = good;
  lines.erase(lines.begin() + 1);
  CHECK(fault_of(lines, pem).starts_with("audit entry 2 is missing"));
  lines = good;
  std::swap(lines[4], lines[5]);
  CHECK(fault_of(lines, pem).starts_with("audit entry 4 is missing or stands in the wrong place"));
  lines = good;
  lines.insert(lines.begin() + 2, lines[1]);
  CHECK(fault_of(lines, pem).starts_with("audit entry 2 stands twice"));
  lines = good;
  lines[6].replace(lines[6].find("alice"), 5, "mallo");  // the last: nothing but its checkpoint tells
  CHECK(fault_of(lines, pem).starts_with("audit entry 6 is not what its checkpoint signs"));
  lines = good;
  lines[7].replace(lines[7].find("\"at\":6"), 6, "\"at\":7");
  CHECK(fault_of(lines, pem).find("the signature is not of this text") != std::string::npos);
}

TEST_CASE("what was cut off or written anew shows by a checkpoint that was kept outside") {
  const Folder folder;
  const auto key = SigningKey::make(folder.path + "/key.pem");
  REQUIRE(key);
  const std::vector<std::string> good = export_of(*key);
  const std::vector<std::string> kept{good[3], good[7]};
  CHECK(fault_of(good, key->public_pem(), kept).empty());
  const std::vector<std::string> cut(good.begin(), good.begin() + 4);
  CHECK(fault_of(cut, key->public_pem()).empty());
  CHECK(fault_of(cut, key->public_pem(), kept).starts_with("audit entry 4 is missing, and a checkpoint"));

  std::vector<std::string> anew;  // by somebody who has the database and not the key
  AuditHead head;
  for (int i = 0; i < 6; ++i) {
    anew.push_back(entry(head, "mallory"));
    head = {head.number + 1, sha256_hex(anew.back())};
  }
  CHECK(fault_of(anew, key->public_pem(), kept).starts_with("audit entry 3 is not what a checkpoint"));
}

TEST_CASE("an export may begin anywhere") {
  const Folder folder;
  const auto key = SigningKey::make(folder.path + "/key.pem");
  REQUIRE(key);
  const std::vector<std::string> good = export_of(*key);
  AuditReader reader(key->public_pem());
  for (std::size_t i = 4; i < good.size(); ++i) REQUIRE(reader.next(good[i]));
  CHECK(reader.entries() == 3);
  CHECK(reader.head().number == 6);
  CHECK(reader.signed_until() == 6);
}
