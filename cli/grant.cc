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
constexpr Duration kLongestVisit = 30min;  // then its host ends it, and another grant is signed for the next

struct PinOptions {
  std::string file, tenant, signer, out;
  std::uint64_t serial = 1;
};

struct GrantOptions {
  std::string vm, who, reason, snapshot;
  std::string operation = "console";
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
  const auto key = read_public_key(*text);
  if (!key)
    return session.report({kUsage, options.file + ": " + key.error().message,
                           "`bascule key make` makes one, `bascule key public` shows a card's."});
  const auto signer = open_key(options.signer, key_access(session.globals, session.asker()));
  if (!signer) return session.report({kUsage, signer.error().message, ""});
  Pin pin{TenantId(options.tenant), options.serial, *key, ""};
  const auto signature = signer->sign(signed_text(pin));
  if (!signature) return session.report({kRefused, signature.error().message, ""});
  pin.signature = *signature;
  if (const Status written = write_durably(options.out, json::encode_text(pin) + "\n"); !written)
    return session.report({kRefused, written.error().message, ""});
  session.out << options.out << " says that this key is " << harmless(options.tenant) << "'s\n";
  return kDone;
}

int show_public(Session& session, const std::string& name) {
  const auto key = open_key(name, key_access(session.globals, session.asker()));
  if (!key) return session.report({kUsage, key.error().message, ""});
  session.out << key->public_pem();
  return kDone;
}

int grant_to(Session& session, const GrantOptions& options) {
  const auto keys = tenant_keys(session.globals, session.asker());
  if (!keys) return session.report(keys.error());
  const auto vm = session.get("/v1/vms/" + segment(options.vm));
  if (!vm) return session.report(vm.error());
  if ((options.operation == "rollback") == options.snapshot.empty())
    return session.report({kUsage, "--snapshot names what --for rollback goes back to", ""});
  const Inside operation = options.operation == "rollback" ? Inside::roll_back : Inside::console;
  const Leave leave{operation, OperatorId(options.who), options.reason, std::chrono::minutes(options.minutes),
                    options.snapshot};
  const auto grant = sign_grant(make_grant(VmId(text(parse(*vm), "id")), leave), *keys);
  if (!grant) return session.report({kUsage, grant.error().message, ""});
  session.out << json::encode_text(*grant) << '\n';
  return kDone;
}

}  // namespace

Result<std::string> read_document(const std::string& path) { return read_whole(path, kLargestDocument); }

std::string new_nonce() {
  SystemRandom random;
  std::string nonce = make_uuid(random);
  std::erase(nonce, '-');
  return nonce;
}

Result<SigningKey> open_key(const std::string& name, const TokenAccess& access) {
  return is_token_uri(name) ? SigningKey::load(name, access) : SigningKey::load(name);
}

Result<Grant> sign_grant(Grant grant, const TenantKeys& keys) {
  const auto text = read_document(keys.pin);
  if (!text) return failure(text.error());
  auto pin = json::decode_text<Pin>(*text, json::Unknown::refuse);
  if (!pin) return failure(pin.error().within(keys.pin));
  const auto key = open_key(keys.key, keys.access);
  if (!key) return failure(key.error());
  if (pin->key != key->public_pem())
    return failure(ErrorCode::invalid, keys.pin + " is of another key than " + keys.key);
  grant.pin = *std::move(pin);
  auto signature = key->sign(signed_text(grant));
  if (!signature) return failure(signature.error());
  grant.signature = *std::move(signature);
  return grant;
}

Grant make_grant(const VmId& vm, const Leave& leave) {
  const SystemClock clock;
  Grant grant;
  grant.vm = vm;
  grant.operations = {leave.operation};
  grant.who = leave.who;
  grant.reason = leave.reason;
  grant.not_before = clock.wall();
  grant.not_after = {grant.not_before.unix_ms +
                     std::chrono::duration_cast<std::chrono::milliseconds>(leave.length).count()};
  grant.nonce = new_nonce();
  if (leave.operation == Inside::roll_back) grant.snapshot = leave.snapshot;
  return grant;
}

Outcome<std::optional<Grant>> own_grant(Session& session, const std::string& vm, Inside operation,
                                        const std::string& reason, const std::string& snapshot) {
  const auto keys = tenant_keys(session.globals, session.asker());
  if (!keys) return std::nullopt;
  const auto self = session.get("/v1/me");
  if (!self) return tl::unexpected(self.error());
  const auto machine = session.get("/v1/vms/" + segment(vm));
  if (!machine) return tl::unexpected(machine.error());
  const Leave leave{operation, OperatorId(text(parse(*self), "user")), reason, kLongestVisit, snapshot};
  const auto grant = sign_grant(make_grant(VmId(text(parse(*machine), "id")), leave), *keys);
  if (!grant) return tl::unexpected(Failure{kUsage, grant.error().message, ""});
  return std::optional(*grant);
}

Outcome<std::optional<Grant>> grant_in(const std::string& path) {
  const auto read = read_document(path);
  if (!read) return tl::unexpected(Failure{kUsage, read.error().message, ""});
  const auto grant = json::decode_text<Grant>(*read, json::Unknown::refuse);
  if (!grant) return tl::unexpected(Failure{kUsage, path + ": " + grant.error().message, ""});
  return std::optional(*grant);
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
  const auto shown = std::make_shared<std::string>();
  add_command(group, session, "public", "Show the public part of a key, also of one in a card",
              "  bascule key public \"pkcs11:token=anna;object=acme\" > acme.pub",
              [&session, shown] { return show_public(session, *shown); })
      .add_option("key", *shown, "A file, or a PKCS#11 URI")
      ->required()
      ->type_name("KEY");
  const auto pin = std::make_shared<PinOptions>();
  CLI::App& command = add_command(
      group, session, "pin", "Vouch for a key: as the security officer, or with the tenant's key before it",
      "  bascule key pin acme.key.pub --tenant acme --signed-by officer.key --out acme.pin\n"
      "  bascule key pin new.key.pub --tenant acme --serial 2 --signed-by acme.key --out acme.pin",
      [&session, pin] { return make_pin(session, *pin); });
  command.add_option("file", pin->file, "The public key")->required()->type_name("FILE");
  command.add_option("--tenant", pin->tenant, "Whose it is")->required();
  command.add_option("--serial", pin->serial, "Greater than that of the key before it (1)");
  command.add_option("--signed-by", pin->signer, "A private key: a file, or a PKCS#11 URI")
      ->required()
      ->type_name("KEY");
  command.add_option("--out", pin->out, "The pin")->required()->type_name("FILE");
}

void add_grant_command(CLI::App& vm, Session& session) {
  const auto options = std::make_shared<GrantOptions>();
  CLI::App& command = add_command(
      vm, session, "grant",
      "Let somebody of the provider use the VM's console, or take it back to a snapshot, once; prints what "
      "to "
      "give them",
      "  bascule vm grant shop-1 --to alice --minutes 30 --reason \"look why it hangs\" > grant.json\n"
      "  bascule vm grant shop-1 --to alice --for rollback --snapshot before-upgrade --reason \"it failed\" "
      "> grant.json",
      [&session, options] { return grant_to(session, *options); });
  command.add_option("vm", options->vm, "Name or id of the VM")->required()->type_name("VM");
  command.add_option("--to", options->who, "Their name, as `GET /v1/access` shows it")
      ->required()
      ->type_name("NAME");
  command.add_option("--for", options->operation, "What for: console (unless told), or rollback")
      ->check(CLI::IsMember({"console", "rollback"}))
      ->type_name("WHAT");
  command.add_option("--snapshot", options->snapshot, "Of --for rollback")->type_name("SNAPSHOT");
  command.add_option("--minutes", options->minutes, "Until it ends (60)")->check(CLI::Range(1, 1440));
  command.add_option("--reason", options->reason, "Why")->required()->type_name("TEXT");
}

}  // namespace bascule::cli
