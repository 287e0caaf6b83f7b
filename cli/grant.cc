// key, and vm grant: a tenant's key, who vouches for it, and what it lets others do.
#include "cli/grant.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <ostream>

#include "base/durable_file.h"
#include "base/json.h"
#include "base/random.h"
#include "base/signing.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

constexpr std::size_t kLargestDocument = 64 * 1024;

struct PinOptions {
  std::string file, tenant, signer, out;
  std::uint64_t serial = 1;
};

struct GrantOptions {
  std::string vm, who, reason;
  int minutes = 60;
};

int make_key(Session& session, const std::string& path) {
  if (std::ifstream(path).good())
    return session.report({kUsage, path + " exists already", "Name another file."});
  const auto key = SigningKey::make(path);
  if (!key) return session.report({kRefused, key.error().message, ""});
  if (const Status written = write_durably(path + ".pub", key->public_pem()); !written)
    return session.report({kRefused, written.error().message, ""});
  session.out << path << " is your tenant's key: keep it safe, nobody can make it anew\n"
              << path << ".pub goes to your provider's security officer, who vouches for it:\n"
              << "  bascule key pin " << path << ".pub --tenant … --signed-by OFFICER.KEY --out tenant.pin\n";
  return kDone;
}

int make_pin(Session& session, const PinOptions& options) {
  const auto text = read_document(options.file);
  if (!text) return session.report({kUsage, text.error().message, ""});
  const auto signer = SigningKey::load(options.signer);
  if (!signer) return session.report({kUsage, signer.error().message, ""});
  Pin pin{TenantId(options.tenant), options.serial, *text, ""};
  // Whether it is a key at all, the check of any signature tells.
  if (check_signature("", std::string(128, '0'), pin.key).error().code == ErrorCode::invalid)
    return session.report(
        {kUsage, options.file + " is no public Ed25519 key", "`bascule key make` makes one."});
  pin.signature = signer->sign(signed_text(pin));
  if (const Status written = write_durably(options.out, json::encode_text(pin) + "\n"); !written)
    return session.report({kRefused, written.error().message, ""});
  session.out << options.out << " says that this key is " << harmless(options.tenant) << "'s\n";
  return kDone;
}

int make_grant(Session& session, const GrantOptions& options) {
  const auto keys = tenant_keys(session.globals);
  if (!keys) return session.report(keys.error());
  const auto vm = session.get("/v1/vms/" + segment(options.vm));
  if (!vm) return session.report(vm.error());
  const auto grant = sign_grant(console_grant(VmId(text(parse(*vm), "id")), OperatorId(options.who),
                                              options.reason, std::chrono::minutes(options.minutes)),
                                *keys);
  if (!grant) return session.report({kUsage, grant.error().message, ""});
  session.out << json::encode_text(*grant) << '\n';
  return kDone;
}

}  // namespace

Result<std::string> read_document(const std::string& path) { return read_whole(path, kLargestDocument); }

Result<Grant> sign_grant(Grant grant, const TenantKeys& keys) {
  const auto key = SigningKey::load(keys.key);
  if (!key) return failure(key.error());
  const auto text = read_document(keys.pin);
  if (!text) return failure(text.error());
  auto pin = json::decode_text<Pin>(*text, json::Unknown::refuse);
  if (!pin) return failure(pin.error().within(keys.pin));
  if (pin->key != key->public_pem())
    return failure(ErrorCode::invalid, keys.pin + " is of another key than " + keys.key);
  grant.pin = *std::move(pin);
  grant.signature = key->sign(signed_text(grant));
  return grant;
}

Grant console_grant(const VmId& vm, const OperatorId& who, const std::string& reason, Duration length) {
  SystemRandom random;
  const SystemClock clock;
  Grant grant;
  grant.vm = vm;
  grant.operations = {Inside::console};
  grant.who = who;
  grant.reason = reason;
  grant.not_before = clock.wall();
  grant.not_after = {grant.not_before.unix_ms +
                     std::chrono::duration_cast<std::chrono::milliseconds>(length).count()};
  grant.nonce = make_uuid(random);
  std::erase(grant.nonce, '-');
  return grant;
}

void add_key_commands(CLI::App& app, Session& session) {
  CLI::App& group = add_group(
      app, "key", "A tenant's key: what it signs opens the tenant's machines, and nothing else does");
  const auto path = std::make_shared<std::string>();
  add_command(group, session, "make", "Make a key", "  bascule key make acme.key",
              [&session, path] { return make_key(session, *path); })
      .add_option("file", *path, "The private key; the public one is beside it, .pub")
      ->required()
      ->type_name("FILE");
  const auto pin = std::make_shared<PinOptions>();
  CLI::App& command = add_command(
      group, session, "pin", "Vouch for a key: as the security officer, or with the tenant's key before it",
      "  bascule key pin acme.key.pub --tenant acme --signed-by officer.key --out acme.pin\n"
      "  bascule key pin new.key.pub --tenant acme --serial 2 --signed-by acme.key --out acme.pin",
      [&session, pin] { return make_pin(session, *pin); });
  command.add_option("file", pin->file, "The public key")->required()->type_name("FILE");
  command.add_option("--tenant", pin->tenant, "Whose it is")->required();
  command.add_option("--serial", pin->serial, "Greater than that of the key before it (1)");
  command.add_option("--signed-by", pin->signer, "A private key")->required()->type_name("FILE");
  command.add_option("--out", pin->out, "The pin")->required()->type_name("FILE");
}

void add_grant_command(CLI::App& vm, Session& session) {
  const auto options = std::make_shared<GrantOptions>();
  CLI::App& command = add_command(
      vm, session, "grant",
      "Let somebody of the provider use the VM's console, once; prints what to give them",
      "  bascule vm grant shop-1 --to alice --minutes 30 --reason \"look why it hangs\" > grant.json",
      [&session, options] { return make_grant(session, *options); });
  command.add_option("vm", options->vm, "Name or id of the VM")->required()->type_name("VM");
  command.add_option("--to", options->who, "Their name, as `GET /v1/access` shows it")
      ->required()
      ->type_name("NAME");
  command.add_option("--minutes", options->minutes, "Until it ends (60)")->check(CLI::Range(1, 1440));
  command.add_option("--reason", options->reason, "Why")->required()->type_name("TEXT");
}

}  // namespace bascule::cli
