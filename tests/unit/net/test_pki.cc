#include "test_pki.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/certificates.h"
#include "base/durable_file.h"

namespace test {
namespace {

constexpr const char* kScript = R"(
set -e
make_ca() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem -days 30 -subj "/CN=$1"
}
make() {  # file ca name role san days
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj "/CN=$3/OU=$4"
  printf 'subjectAltName=%s\n' "$5" > $1.ext
  openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -set_serial 0x${#1}ABC -days $6 -extfile $1.ext -out $1.pem
}
make_ca ca
make_ca other
make manager ca manager-1 manager IP:127.0.0.1,DNS:localhost 30
make manager-expired ca manager-1 manager IP:127.0.0.1 -1
make manager-foreign other manager-1 manager IP:127.0.0.1 30
make manager-elsewhere ca manager-1 manager IP:198.18.0.2,DNS:manager.example.org 30
make impostor ca paris-1 host IP:127.0.0.1 30
make operator ca alice operator email:alice@example.org 30
make host ca paris-1 host DNS:paris-1 30
make expired ca alice operator email:alice@example.org -1
make foreign other alice operator email:alice@example.org 30
)";

}  // namespace

const Pki& Pki::instance() {
  static const Pki pki;
  return pki;
}

Pki::Pki() {
  std::string name = (std::filesystem::temp_directory_path() / "bascule-pki-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  folder_ = name;
  std::ofstream(folder_ + "/make") << kScript;
  const std::string command = "cd " + folder_ + " && bash make >log 2>&1";
  REQUIRE(std::system(command.c_str()) == 0);
}

Pki::~Pki() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

bascule::net::TlsFiles Pki::files(const std::string& who) const {
  const std::string base = folder_ + "/" + who;
  return {folder_ + "/ca.pem", base + ".pem", base + ".key"};
}

std::string Pki::fingerprint(const std::string& who) const {
  const auto pem = bascule::read_whole(files(who).certificate, 64 * 1024);
  REQUIRE(pem);
  const auto facts = bascule::read_certificate(*pem);
  REQUIRE(facts);
  return facts->fingerprint;
}

}  // namespace test
