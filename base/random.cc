#include "base/random.h"

#include <sys/random.h>

#include <cstdio>

#include "base/ensure.h"

namespace bascule {

std::uint64_t SystemRandom::next() {
  std::uint64_t number = 0;
  const ssize_t got = getrandom(&number, sizeof number, 0);
  ensure(got == sizeof number, "the kernel gives random bytes");
  return number;
}

std::string make_uuid(Random& random) {
  const std::uint64_t a = random.next();
  const std::uint64_t b = random.next();
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012llx", static_cast<unsigned>(a >> 32),
                static_cast<unsigned>((a >> 16) & 0xffff), static_cast<unsigned>(a & 0xfff),
                static_cast<unsigned>(((b >> 48) & 0x3fff) | 0x8000),
                static_cast<unsigned long long>(b & 0xffffffffffffULL));
  return text;
}

}  // namespace bascule
