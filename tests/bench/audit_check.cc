// How long it takes to prove an export of the audit: RECORDS records, a checkpoint after each thousandth.
//
//   bench-audit-check [RECORDS=1000000]
#include <stdlib.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/audit_chain.h"
#include "base/ensure.h"
#include "base/sha256.h"

int main(int argc, char** argv) {
  using namespace bascule;
  const std::uint64_t records = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  std::string folder = (std::filesystem::temp_directory_path() / "bascule-bench-XXXXXX").string();
  ensure(::mkdtemp(folder.data()) != nullptr, "a temporary folder can be made");
  const auto key = SigningKey::make(folder + "/key.pem");
  std::filesystem::remove_all(folder);
  ensure(key.has_value(), "a key can be made");
  std::vector<std::string> lines;
  AuditHead head;
  for (std::uint64_t number = 1; number <= records; ++number) {
    lines.push_back(
        R"({"number":)" + std::to_string(number) + R"(,"at":1795930860494,"previous":")" + head.hash +
        R"(","record":{"actor":"engine","what":"start_vm","subject":"vm/dc594805-c2aa-404e-819c-dee36343ee0e",)"
        R"("reason":"placed","words":"paris-1 at paris has the most memory left: 4096 MiB",)"
        R"("facts":{"generation":"3","host":"paris-1","name":"web-1"}}})");
    head = {number, sha256_hex(lines.back())};
    if (number % 1000 == 0)
      lines.push_back(checkpoint_line(sign_checkpoint(*key, ClusterId("demo"), head, WallTime{1})));
  }
  AuditReader reader(key->public_pem());
  const auto began = std::chrono::steady_clock::now();
  for (const std::string& line : lines) ensure(reader.next(line).has_value(), "the chain is whole");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf("%llu records, %llu checkpoints: %.2f s\n", static_cast<unsigned long long>(reader.entries()),
              static_cast<unsigned long long>(reader.checkpoints()), seconds);
}
