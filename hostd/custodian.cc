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
constexpr std::int64_t kLongestGlass_ms = 4LL * 3600 * 1000;
constexpr std::int64_t kClocksDiffer_ms = 60 * 1000;
constexpr std::size_t kMostMarks = 50;  // a custody goes with each volume, and has no room for more
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

Status denied(std::string words) { return failure(ErrorCode::denied, std::move(words)); }

// Of a grant or broken glass, when it is good, at most for so long.
template <class Document>
Status check_time(const Document& document, std::int64_t longest_ms, const std::string& what, WallTime now) {
  if (now.unix_ms + kClocksDiffer_ms < document.not_before.unix_ms)
    return denied("the " + what + " isn't good yet");
  if (now.unix_ms >= document.not_after.unix_ms) return denied("the " + what + " has expired");
  // In this order no difference overflows, whatever the numbers are.
  if (document.not_before.unix_ms < now.unix_ms - longest_ms ||
      document.not_after.unix_ms - document.not_before.unix_ms > longest_ms)
    return denied("the " + what + " is for more than " + std::to_string(longest_ms / 3600 / 1000) + " hours");
  if (!is_nonce(document.nonce))
    return denied("the nonce of the " + what + " must be 16 to 64 letters and digits");
  return {};
}

// All that can be told without the key.
Status check_words(const Grant& grant, const Custody& kept, const Custodian::Visit& visit, WallTime now) {
  if (grant.vm != kept.vm) return denied("the grant is for another machine");
  if (grant.who != visit.who)
    return denied("the grant is for " + grant.who.value + ", not for " + visit.who.value);
  if (std::find(grant.operations.begin(), grant.operations.end(), visit.operation) == grant.operations.end())
    return denied("the grant isn't for " + std::string(name_of(visit.operation)));
  if (visit.operation == Inside::roll_back && grant.snapshot != visit.snapshot)
    return denied("the grant is for snapshot \"" + grant.snapshot.value_or("") + "\", not for " +
                  visit.snapshot);
  if (grant.pin.tenant != kept.tenant) return denied("the grant's key is of " + grant.pin.tenant.value);
  return check_time(grant, kLongestGrant_ms, "grant", now);
}

Status check_words(const BrokenGlass& glass, const Custody& kept, const Custodian::Visit& visit,
                   WallTime now) {
  if (glass.vm != kept.vm || glass.tenant != kept.tenant)
    return denied("the glass that was broken is another machine's");
  if (glass.who != visit.who)
    return denied("the glass was broken for " + glass.who.value + ", not for " + visit.who.value);
  if (visit.operation != Inside::console) return denied("broken glass opens a console, and nothing else");
  return check_time(glass, kLongestGlass_ms, "broken glass", now);
}

const GlassMark* mark_of(const Custody& kept, const std::string& nonce) {
  const auto found = std::find_if(kept.glass.begin(), kept.glass.end(),
                                  [&nonce](const GlassMark& mark) { return mark.nonce == nonce; });
  return found == kept.glass.end() ? nullptr : &*found;
}

}  // namespace

std::string digest_of_boot(const VmSpec& spec) {
  BootPlan plan{spec.kernel, spec.seed, {}};
  for (const Disk& disk : spec.disks)
    plan.disks.push_back(disk.pool + "/" + disk.volume + " " + std::string(name_of(disk.format)));
  return sha256_hex("bascule boot 1\n" + json::encode_text(plan));
}

std::string cdrom_text(const VmSpec& spec) {
  return spec.cdrom ? spec.cdrom->pool + "/" + spec.cdrom->image : "";
}

void note_boot(Custody& custody, const VmSpec& spec) {
  custody.boots = digest_of_boot(spec);
  custody.cdrom = cdrom_text(spec);
}

Custody first_custody(const VmSpec& spec, bool delivered) {
  Custody custody;
  custody.vm = spec.id;
  custody.tenant = spec.tenant;
  custody.delivered = delivered;
  if (delivered) custody.delivered_at = WallTime{};
  note_boot(custody, spec);
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
  if (kept.delivered && spec.cdrom && kept.cdrom != cdrom_text(spec))
    return failure(ErrorCode::policy, "another CD is in its drive than when it was delivered to " +
                                          kept.tenant.value + ": it could boot from that");
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

Result<std::unique_ptr<Custodian>> Custodian::open(const std::string& path, TrustedKeys keys) {
  std::unique_ptr<Custodian> custodian(new Custodian(path, std::move(keys)));
  const Result<std::string> text = read_whole(path, kLargestFile);
  if (!text && text.error().code == ErrorCode::not_found) return custodian;
  if (!text) return failure(text.error());
  auto file = json::decode_text<SpentFile>(*text, json::Unknown::tolerate);
  if (!file) return failure(file.error().within(path));
  custodian->spent_ = std::move(file->spent);
  return custodian;
}

Result<Custodian::Entry> Custodian::may_enter(const Custody& kept, const Visit& visit, WallTime now) {
  if (visit.grant) return by_grant(kept, visit, now);
  if (visit.glass) return by_glass(kept, visit, now);
  if (!kept.delivered) return Entry{};
  return failure(ErrorCode::denied,
                 kept.tenant.value + " alone gets inside: a grant is needed, signed by its key");
}

Result<Custodian::Entry> Custodian::by_grant(const Custody& kept, const Visit& visit, WallTime now) {
  const Grant& grant = *visit.grant;
  if (const Status words = check_words(grant, kept, visit, now); !words) return failure(words.error());
  if (const Status vouched = check_pin(grant.pin, kept.pin, keys_.officer); !vouched)
    return failure(vouched.error());
  if (!check_signature(signed_text(grant), grant.signature, grant.pin.key))
    return failure(ErrorCode::denied, "the grant's signature is not of that text by that key");
  if (const Status once = spend(grant.vm, grant.nonce, grant.not_after, now); !once)
    return failure(once.error());
  Entry entry;
  if (!kept.pin || kept.pin->key != grant.pin.key) entry.pin = grant.pin;
  if (kept.delivered) entry.until = grant.not_after;
  return entry;
}

WallTime Custodian::opens_at(const GlassMark& mark) const {
  return {mark.at.unix_ms + std::chrono::duration_cast<std::chrono::milliseconds>(keys_.glass_wait).count()};
}

// The first time it only leaves its mark: the tenant is told, and has a while to see it.
Result<Custodian::Entry> Custodian::by_glass(const Custody& kept, const Visit& visit, WallTime now) {
  const BrokenGlass& glass = *visit.glass;
  if (const Status words = check_words(glass, kept, visit, now); !words) return failure(words.error());
  if (const Status two = check_signers(glass, keys_.glass); !two) return failure(two.error());
  Entry entry;
  entry.until = glass.not_after;
  const GlassMark* mark = mark_of(kept, glass.nonce);
  if (mark == nullptr) {
    if (kept.glass.size() >= kMostMarks)
      return failure(ErrorCode::exhausted, "its glass was broken too often to be noted once more");
    entry.mark = GlassMark{glass.nonce, glass.who, glass.reason, {}, now};
    for (const GlassSignature& one : glass.signatures) entry.mark->keys.push_back(sha256_hex(one.key));
    return entry;
  }
  const WallTime opens = opens_at(*mark);
  if (now.unix_ms < opens.unix_ms)
    return failure(ErrorCode::conflict, kept.tenant.value + " was told: it opens at " + to_iso8601(opens));
  // Kept with the volumes too: on another host it is as spent as here.
  if (mark->used) return failure(ErrorCode::denied, "it was used before: it is good once");
  if (const Status once = spend(glass.vm, glass.nonce, glass.not_after, now); !once)
    return failure(once.error());
  entry.used = glass.nonce;
  return entry;
}

// Stored before anything is opened: a host that starts anew knows it too.
Status Custodian::spend(const VmId& vm, const std::string& nonce, WallTime until, WallTime now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(spent_, [now](const auto& entry) { return entry.second.unix_ms < now.unix_ms; });
  const std::string name = vm.value + "/" + nonce;
  if (spent_.contains(name)) return denied("it was used before: it is good once");
  if (spent_.size() >= kMostSpent) return failure(ErrorCode::exhausted, "too many grants were used today");
  spent_.emplace(name, until);
  const Status kept = write_durably(path_, json::encode_text(SpentFile{1, spent_}));
  if (!kept) spent_.erase(name);
  return kept;
}

}  // namespace bascule::hostd
