// JSON, as the wire and the journal have it.
#include "base/wire.h"
#include "failover/event.h"
#include "tests/fuzz/hunt/hunt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = hunt::text_of(data, size);
  if (const auto value = bascule::json::parse(text)) {
    const auto again = bascule::json::parse(bascule::json::text_of(*value));
    hunt::must(again.has_value());
  }
  hunt::understood_or_refused<bascule::wire::FromHost>(text);
  hunt::understood_or_refused<bascule::wire::FromManager>(text);
  hunt::understood_or_refused<bascule::wire::LeaseRequest>(text);
  hunt::understood_or_refused<bascule::EventBody>(text);
  return 0;
}
