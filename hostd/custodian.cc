#include "hostd/custodian.h"

#include <algorithm>
#include <cctype>

#include "base/durable_file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/signing.h"

namespace bascule::hostd {
namespace {

constexpr std::int64_t kLongestGrant_ms = 24LL * 3600 * 1000;
constexpr std::int64_t kClocksDiffer_ms = 60 * 1000;
constexpr std::size_t kMostSpent = 10'000;
constexpr std::size_t kLargestFile = 4 * 1024 * 1024;

struct BootPlan {
  std::optional<KernelBoot> kernel;
  std::optional<Seed> seed;
  std::vector<std::string> disks;  // in their order; their sizes and limits may change
};
template <class V>
void fields(V& v, BootPlan& x) {
  v("kernel", x.kernel);
  v("seed", x.seed);
  v("disks", x.disks);
}

struct SpentFile {
  int version = 1;
  std::map<std::string, WallTime> spent;
};
template <class V>
void fields(V& v, SpentFile& x) {
  v("version", x.version);
  v("spent", x.spent);
}

bool is_nonce(const std::string& text) {
  return text.size() >= 16 && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
}

Status denied(std::string words) { return failure(ErrorCode::denied, std::move(words)); }

// All that can be told without the key.
Status check_words(const Grant& grant, const Custody& kept, const Custodian::Visit& visit, WallTime now) {
  if (grant.vm != kept.vm) return denied("the grant is for another machine");
  if (grant.who != visit.who)
    return denied("the grant is for " + grant.who.value + ", not for " + visit.who.value);
  if (std::find(grant.operations.begin(), grant.operations.end(), visit.operation) == grant.operations.end())
    return denied("the grant isn't for " + std::string(name_of(visit.operation)));
  if (grant.pin.tenant != kept.tenant) return denied("the grant's key is of " + grant.pin.tenant.value);
  if (now.unix_ms + kClocksDiffer_ms < grant.not_before.unix_ms) return denied("the grant isn't good yet");
  if (now.unix_ms >= grant.not_after.unix_ms) return denied("the grant has expired");
  // In this order no difference overflows, whatever the numbers are.
  if (grant.not_before.unix_ms < now.unix_ms - kLongestGrant_ms ||
      grant.not_after.unix_ms - grant.not_before.unix_ms > kLongestGrant_ms)
    return denied("the grant is for more than 24 hours");
  if (!is_nonce(grant.nonce)) return denied("the grant's nonce must be 16 to 64 letters and digits");
  return {};
}

}  // namespace

std::string digest_of_boot(const VmSpec& spec) {
  BootPlan plan{spec.kernel, spec.seed, {}};
  for (const Disk& disk : spec.disks)
    plan.disks.push_back(disk.pool + "/" + disk.volume + " " + std::string(name_of(disk.format)));
  return sha256_hex("bascule boot 1\n" + json::encode_text(plan));
}

Custody first_custody(const VmSpec& spec, bool delivered) {
  Custody custody;
  custody.vm = spec.id;
  custody.tenant = spec.tenant;
  custody.delivered = delivered;
  custody.boots = digest_of_boot(spec);
  return custody;
}

std::string text_of(const Custody& custody) { return json::encode_text(custody); }

Result<std::optional<Custody>> read_custody(const std::string& text) {
  auto custody = json::decode_text<Custody>(text, json::Unknown::tolerate);
  if (!custody) return failure(custody.error().within("who may get inside it"));
  return std::optional(*std::move(custody));
}

Status check_custody(const Custody& kept, const VmSpec& spec) {
  if (kept.vm != spec.id) return denied("the volume belongs to VM " + kept.vm.value);
  if (kept.tenant != spec.tenant) return denied("the volume belongs to tenant " + kept.tenant.value);
  if (kept.delivered && kept.boots != digest_of_boot(spec))
    return failure(ErrorCode::policy, "it would boot otherwise than when it was delivered to " +
                                          kept.tenant.value +
                                          ": its kernel, first settings or disks were changed");
  return {};
}

Status check_pin(const Pin& pin, const std::optional<Pin>& before, const std::string& officer) {
  const std::string text = signed_text(pin);
  if (before && pin.key == before->key) return {};
  if (before && pin.serial <= before->serial)
    return denied("a newer key of " + pin.tenant.value + " is known");
  // One at a time, so that whoever stole a key can't take the officer's next numbers.
  if (before && pin.serial == before->serial + 1 && check_signature(text, pin.signature, before->key))
    return {};
  if (officer.empty())
    return denied("nobody vouches for the key of " + pin.tenant.value + ": hostd.toml names no officer");
  if (check_signature(text, pin.signature, officer)) return {};
  return denied("the key of " + pin.tenant.value +
                " is vouched for neither by the security officer nor by the key " + "before it");
}

Result<std::unique_ptr<Custodian>> Custodian::open(const std::string& path, std::string officer) {
  std::unique_ptr<Custodian> custodian(new Custodian(path, std::move(officer)));
  const Result<std::string> text = read_whole(path, kLargestFile);
  if (!text && text.error().code == ErrorCode::not_found) return custodian;
  if (!text) return failure(text.error());
  auto file = json::decode_text<SpentFile>(*text, json::Unknown::tolerate);
  if (!file) return failure(file.error().within(path));
  custodian->spent_ = std::move(file->spent);
  return custodian;
}

Result<std::optional<Pin>> Custodian::may_enter(const Custody& kept, const Visit& visit, WallTime now) {
  if (!kept.delivered && !visit.grant) return std::nullopt;
  if (!visit.grant)
    return failure(ErrorCode::denied,
                   kept.tenant.value + " alone gets inside: a grant is needed, signed by its key");
  const Grant& grant = *visit.grant;
  if (const Status words = check_words(grant, kept, visit, now); !words) return failure(words.error());
  if (const Status vouched = check_pin(grant.pin, kept.pin, officer_); !vouched)
    return failure(vouched.error());
  if (!check_signature(signed_text(grant), grant.signature, grant.pin.key))
    return failure(ErrorCode::denied, "the grant's signature is not of that text by that key");
  if (const Status once = spend(grant, now); !once) return failure(once.error());
  const bool newer = !kept.pin || kept.pin->key != grant.pin.key;
  return newer ? std::optional(grant.pin) : std::nullopt;
}

// Stored before anything is opened: a host that starts anew knows it too.
Status Custodian::spend(const Grant& grant, WallTime now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(spent_, [now](const auto& entry) { return entry.second.unix_ms < now.unix_ms; });
  const std::string name = grant.vm.value + "/" + grant.nonce;
  if (spent_.contains(name)) return denied("the grant was used before: it is good once");
  if (spent_.size() >= kMostSpent) return failure(ErrorCode::exhausted, "too many grants were used today");
  spent_.emplace(name, grant.not_after);
  const Status kept = write_durably(path_, json::encode_text(SpentFile{1, spent_}));
  if (!kept) spent_.erase(name);
  return kept;
}

}  // namespace bascule::hostd
