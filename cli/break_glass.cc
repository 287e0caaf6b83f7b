// vm break-glass: two of the provider's people sign, one after the other.
#include "cli/break_glass.h"

#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

struct GlassOptions {
  std::string vm, who, reason, file, signer;
  int minutes = 60;
};

Outcome<BrokenGlass> fresh_glass(Session& session, const GlassOptions& options) {
  if (options.vm.empty() || options.who.empty() || options.reason.empty())
    return tl::unexpected(Failure{kUsage, "the first who signs says --to and --reason of a VM",
                                  "The second gives --countersign and the file of the first."});
  const auto vm = session.get("/v1/vms/" + segment(options.vm));
  if (!vm) return tl::unexpected(vm.error());
  const SystemClock clock;
  const std::int64_t now = clock.wall().unix_ms;
  BrokenGlass glass;
  glass.vm = VmId(text(parse(*vm), "id"));
  glass.tenant = TenantId(text(parse(*vm), "tenant"));
  glass.who = OperatorId(options.who);
  glass.reason = options.reason;
  glass.not_before = {now};
  glass.not_after = {now + options.minutes * 60'000LL};
  glass.nonce = new_nonce();
  return glass;
}

int break_glass(Session& session, const GlassOptions& options) {
  auto glass = options.file.empty() ? fresh_glass(session, options) : glass_in(options.file);
  if (!glass) return session.report(glass.error());
  session.err << "to sign: " << harmless(glass->who.value) << " gets inside VM " << harmless(glass->vm.value)
              << " of " << harmless(glass->tenant.value) << " until " << to_iso8601(glass->not_after) << ", "
              << "without its leave: " << harmless(glass->reason) << '\n';
  const auto key = open_key(options.signer, key_access(session.globals, session.asker()));
  if (!key) return session.report({kUsage, key.error().message, ""});
  const auto signature = key->sign(signed_text(*glass));
  if (!signature) return session.report({kRefused, signature.error().message, ""});
  glass->signatures.push_back({key->public_pem(), *signature});
  session.out << json::encode_text(*glass) << '\n';
  return kDone;
}

}  // namespace

Outcome<BrokenGlass> glass_in(const std::string& path) {
  const auto read = read_document(path);
  if (!read) return tl::unexpected(Failure{kUsage, read.error().message, ""});
  auto glass = json::decode_text<BrokenGlass>(*read, json::Unknown::refuse);
  if (!glass) return tl::unexpected(Failure{kUsage, path + ": " + glass.error().message, ""});
  return *std::move(glass);
}

void add_break_glass_command(CLI::App& vm, Session& session) {
  const auto options = std::make_shared<GlassOptions>();
  CLI::App& command = add_command(
      vm, session, "break-glass",
      "Sign, as one of two of the provider, that somebody gets inside a delivered VM without its tenant, who "
      "is told first; prints what the second signs, or what `vm console` takes",
      "  bascule vm break-glass acme/shop-1 --to alice --reason \"it spreads malware\" --signed-by KEY > "
      "one.json\n"
      "  bascule vm break-glass --countersign one.json --signed-by KEY > two.json\n"
      "  bascule vm console acme/shop-1 --broken-glass two.json",
      [&session, options] { return break_glass(session, *options); });
  command.add_option("vm", options->vm, "Name or id of the VM")->type_name("VM");
  command.add_option("--to", options->who, "Who gets inside")->type_name("NAME");
  command.add_option("--minutes", options->minutes, "Until it ends, the wait included (60)")
      ->check(CLI::Range(1, 240));
  command.add_option("--reason", options->reason, "Why: its tenant reads it")->type_name("TEXT");
  command.add_option("--countersign", options->file, "What the first has signed")->type_name("FILE");
  command
      .add_option("--signed-by", options->signer,
                  "A key of break_glass of the hosts: a file, or a PKCS#11 URI")
      ->required()
      ->type_name("KEY");
}

}  // namespace bascule::cli
