// Certificate revocation lists.
#include "base/net/crl.h"
#include "tests/fuzz/hunt/hunt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto crls = bascule::net::parse_crls(hunt::text_of(data, size));
  hunt::must(crls ? !crls->empty() : !crls.error().message.empty());
  return 0;
}
