// What the manager says to a host about consoles; a part of wire.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/custody.h"
#include "base/fields.h"
#include "base/id.h"

namespace bascule::wire {

inline constexpr std::string_view kStreamPath = "/stream/";  // and the stream's name

// What of a machine is looked at from outside: its first serial line, or its screen (RFB, RFC 6143).
enum class ConsoleKind { serial, screen };
constexpr auto enum_names(ConsoleKind) {
  using K = ConsoleKind;
  return std::array{EnumName<K>{K::serial, "serial"}, EnumName<K>{K::screen, "screen"}};
}

// Dial the manager at that port and kStreamPath and carry the bytes of that console there, until either end
// closes. What can't be opened, or mustn't, is closed at once, with the reason. No order: nothing of the
// machine's state changes.
struct OpenStream {
  static constexpr std::string_view kType = "open_stream";
  std::string stream;  // a secret: whoever has it is this host's end
  VmId vm;
  Generation generation;
  ConsoleKind kind = ConsoleKind::serial;
  OperatorId who;
  std::optional<Grant> grant;
  std::optional<BrokenGlass> glass;
  std::uint16_t port = 0;  // of the manager, to be dialled; 0: that of the session
};
template <class V>
void fields(V& v, OpenStream& x) {
  v("stream", x.stream);
  v("vm", x.vm);
  v("generation", x.generation);
  v("kind", x.kind);
  v("who", x.who);
  v.optional("grant", x.grant);
  v.optional("glass", x.glass);
  v.optional("port", x.port);
}

}  // namespace bascule::wire
