// Revocation lists, in DER and PEM: anything but a list is refused.
#include <doctest/doctest.h>

#include "base/net/crl.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/net/card_pki.h"

namespace bascule::net {

TEST_CASE("a damaged revocation list is refused, or it is one") {
  test::CardPki cards;
  const std::string der = cards.issuing_crl_in_der();
  cards.publish();
  const std::string pem = cards.crl_text();
  int read = 0;
  const fuzz::Corpus corpus{{der, pem},
                            {"-----BEGIN X509 CRL-----\n", "-----END X509 CRL-----\n", "\n", "MII", "=",
                             "\x30\x82", "\x17\x0d", "\x02\x01", std::string("\x00\x00", 2)}};
  fuzz::run(corpus, 3000, [&read](const std::string& bytes) {
    const auto crls = parse_crls(bytes);
    if (!crls) return;
    ++read;
    CHECK_FALSE(crls->empty());
  });
  CHECK(read >= 2);
}

}  // namespace bascule::net
