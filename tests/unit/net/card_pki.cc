#include "card_pki.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace test {
namespace {

constexpr const char* kAuthority = R"script(
set -e
policy=1.3.6.1.4.1.32473.1.1
key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }
authority() {  # name signer policies
  key $1
  openssl req -new -key $1.key -out $1.csr -subj "/O=Cards/CN=$1"
  printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n%s\n' "${3:+certificatePolicies=$3}" > $1.ext
  local by="-CA $2.pem -CAkey $2.key -CAcreateserial"
  [ $1 = $2 ] && by="-key $1.key"
  openssl x509 -req -in $1.csr $by -days 30 -extfile $1.ext -out $1.pem
  mkdir -p $1.db && touch $1.db/index.txt $1.db/index.txt.attr && echo 01 > $1.db/crlnumber
  printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index.txt\ncrlnumber=%s/crlnumber\ndefault_md=sha256\ndefault_crl_days=7\n' $1.db $1.db > $1.cnf
}
card() {  # name authority policies usage
  key $1
  openssl req -new -key $1.key -out $1.csr -subj "/O=Cards/CN=$1"
  printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=%s\n%s\n' "${4:-clientAuth}" "${3:+certificatePolicies=$3}" > $1.ext
  openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial -days 30 -extfile $1.ext -out $1.own
  cat $1.own $2.pem > $1.pem
}
list() {  # authority options
  local authority=$1; shift
  openssl ca -gencrl -config $authority.cnf -keyfile $authority.key -cert $authority.pem "$@"
}
put() { mv cards.new cards.crl; }
publish() { { list root -crldays $1; list issuing -crldays $1; list silent -crldays $1; } > cards.new; put; }
publish_outdated() {
  { list root; list issuing -crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z; } > cards.new; put
}
revoke() { openssl ca -config issuing.cnf -keyfile issuing.key -cert issuing.pem -revoke $1.own; }
make() {
  authority root root
  authority other other
  authority issuing root 2.5.29.32.0
  authority silent root
  card alice issuing $policy
  card bob issuing $policy
  card soft issuing 1.3.6.1.4.1.32473.1.2
  card plain issuing
  card any issuing 2.5.29.32.0
  card server issuing $policy serverAuth
  card stranger other $policy
  card unstated silent $policy
}
cd "$(dirname "$0")"
"$@"
)script";

std::string text_of(const std::string& file) {
  std::ostringstream bytes;
  bytes << std::ifstream(file, std::ios::binary).rdbuf();
  return bytes.str();
}

}  // namespace

CardPki::CardPki() {
  std::string name = (std::filesystem::temp_directory_path() / "bascule-cards-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  folder_ = name;
  std::ofstream(folder_ + "/authority") << kAuthority;
  run("make");
}

CardPki::~CardPki() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void CardPki::run(const std::string& command) {
  const std::string line = "bash " + folder_ + "/authority " + command + " >>" + folder_ + "/log 2>&1";
  REQUIRE(std::system(line.c_str()) == 0);
}

bascule::net::TlsFiles CardPki::files(const std::string& who, const std::string& server_ca) const {
  return {server_ca, folder_ + "/" + who + ".pem", folder_ + "/" + who + ".key"};
}

void CardPki::write_crl(const std::string& bytes) const {
  std::ofstream(crl() + ".new", std::ios::binary) << bytes;
  std::filesystem::rename(crl() + ".new", crl());
}

std::string CardPki::crl_text() const { return text_of(crl()); }

std::string CardPki::issuing_crl_in_der() {
  run("list issuing -out one.crl");
  const std::string line = "cd " + folder_ + " && openssl crl -in one.crl -outform DER -out one.der";
  REQUIRE(std::system(line.c_str()) == 0);
  return text_of(folder_ + "/one.der");
}

}  // namespace test
