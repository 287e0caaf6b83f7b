// bascule-hostd join: the first certificates of this host.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <optional>

#include "base/hidden_line.h"
#include "hostd/identity.h"

namespace bascule::hostd {
namespace {

constexpr const char* kUsage =
    "Usage: bascule-hostd join ADDRESS:PORT --host NAME --fingerprint SHA256 [--state-dir DIR]\n"
    "\n"
    "Fetches this host's certificates and its guard's, with an invitation that is asked for on standard "
    "input.\n"
    "`bascule host invite NAME` makes one, and shows this whole line. They are kept in DIR/identity\n"
    "(/var/lib/bascule/identity) and renewed by bascule-hostd from then on.\n";

struct JoinArguments {
  std::string manager, host, fingerprint;
  std::string state_dir = "/var/lib/bascule";
};

// Nothing when they are wrong.
std::optional<JoinArguments> parse(int argc, char** argv) {
  JoinArguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    std::string* value = word == "--host"          ? &arguments.host
                         : word == "--fingerprint" ? &arguments.fingerprint
                         : word == "--state-dir"   ? &arguments.state_dir
                                                   : nullptr;
    if (value != nullptr && ++i < argc)
      *value = argv[i];
    else if (value == nullptr && !word.starts_with("-") && arguments.manager.empty())
      arguments.manager = word;
    else
      return std::nullopt;
  }
  const bool whole =
      !arguments.manager.empty() && is_valid_name(arguments.host) && arguments.fingerprint.size() == 64;
  return whole ? std::optional(arguments) : std::nullopt;
}

}  // namespace

int join_command(int argc, char** argv) {
  const auto arguments = parse(argc, argv);
  if (!arguments) {
    std::cerr << kUsage;
    return 2;
  }
  const Identity identity(arguments->state_dir);
  const bool interactive = ::isatty(STDIN_FILENO) == 1;
  const auto invitation = ask_hidden("Invitation:", std::cin, std::cerr, interactive);
  const Status joined = identity.join(HostId(arguments->host), arguments->manager,
                                      invitation ? invitation->reveal() : "", arguments->fingerprint);
  if (!joined) {
    std::cerr << "bascule-hostd: " << joined.error().message << '\n';
    return 1;
  }
  std::cout << arguments->host << " has its certificates. In hostd.toml:\n\n[tls]\nca = \""
            << identity.files().ca << "\"\ncertificate = \"" << identity.files().certificate << "\"\nkey = \""
            << identity.files().key
            << "\"\n\nand in guard.toml the same with guard.pem and guard.key. Then start both.\n";
  return 0;
}

}  // namespace bascule::hostd
