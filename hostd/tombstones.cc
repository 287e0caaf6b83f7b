#include "hostd/tombstones.h"

#include "base/durable_file.h"
#include "base/json.h"
#include "base/sha256.h"

namespace bascule::hostd {
namespace {

constexpr std::size_t kLargestRecord = 16 * 1024 * 1024;
constexpr std::size_t kMostVms = 20'000;
constexpr int kVersion = 1;

Status corrupt(const std::string& path, const std::string& why) {
  return failure(
      ErrorCode::corrupt,
      path + " is damaged (" + why +
          "): this host no longer knows which starts it was forbidden. Stop its guests, prove to the "
          "manager that none of them runs, and only then remove the file");
}

std::string numbered(Generation generation) { return std::to_string(generation.value); }

}  // namespace

struct Tombstones::Stored {
  int version = kVersion;
  Authority authority;
  std::vector<VmRecord> vms;
};

template <class V>
void fields(V& v, VmRecord& x) {
  v("vm", x.vm);
  v("forbidden", x.forbidden);
  v("held", x.held);
  v.optional("boot", x.boot);
}
template <class V>
void fields(V& v, Authority& x) {
  v("epoch", x.epoch);
  v("term", x.term);
  v("manager", x.manager);
}
template <class V>
void fields(V& v, Tombstones::Stored& x) {
  v("version", x.version);
  v("authority", x.authority);
  v("vms", x.vms);
}

Result<std::unique_ptr<Tombstones>> Tombstones::open(const std::string& path, const BootId& boot) {
  std::unique_ptr<Tombstones> tombstones(new Tombstones(path, boot));
  if (const Status status = tombstones->read(); !status) return failure(status.error());
  return tombstones;
}

Status Tombstones::read() {
  const Result<std::string> text = read_whole(path_, kLargestRecord);
  if (!text && text.error().code == ErrorCode::not_found) return store({});
  if (!text) return failure(text.error());
  const std::size_t line_end = text->find('\n');
  if (line_end == std::string::npos) return corrupt(path_, "it has no checksum");
  const std::string body = text->substr(line_end + 1);
  if (text->substr(0, line_end) != sha256_hex(body)) return corrupt(path_, "its checksum is wrong");
  const Result<Stored> stored = json::decode_text<Stored>(body, json::Unknown::tolerate);
  if (!stored) return corrupt(path_, stored.error().message);
  if (stored->version != kVersion)
    return failure(ErrorCode::invalid, path_ + " has version " + std::to_string(stored->version) +
                                           ": it was written by another release; run that one");
  content_.authority = stored->authority;
  for (VmRecord record : stored->vms) {
    if (record.boot != boot_) record.held = Generation();
    content_.vms[record.vm] = record;
  }
  return {};
}

Status Tombstones::store(Content next) {
  Stored stored;
  stored.authority = next.authority;
  for (const auto& [vm, record] : next.vms) stored.vms.push_back(record);
  const std::string body = json::encode_text(stored) + "\n";
  const Status written = write_durably(path_, sha256_hex(body) + "\n" + body);
  if (!written) return written;
  const std::lock_guard lock(visible_);
  content_ = std::move(next);
  return {};
}

// `change` edits a copy and returns whether to store it, or why not.
template <class Change>
Status Tombstones::change(Change change) {
  const std::lock_guard writing(writing_);
  Content next;
  {
    const std::lock_guard lock(visible_);
    next = content_;
  }
  const Result<bool> changed = change(next);
  if (!changed) return failure(changed.error());
  if (!*changed) return {};
  return store(std::move(next));
}

VmRecord Tombstones::record(const VmId& vm) const {
  const std::lock_guard lock(visible_);
  const auto found = content_.vms.find(vm);
  return found == content_.vms.end() ? VmRecord{vm, {}, {}, {}} : found->second;
}

std::vector<VmRecord> Tombstones::held() const {
  const std::lock_guard lock(visible_);
  std::vector<VmRecord> records;
  for (const auto& [vm, record] : content_.vms)
    if (record.held.value > 0) records.push_back(record);
  return records;
}

std::vector<wire::Tombstone> Tombstones::all() const {
  const std::lock_guard lock(visible_);
  std::vector<wire::Tombstone> tombstones;
  for (const auto& [vm, record] : content_.vms)
    if (record.forbidden.value > 0) tombstones.push_back({vm, record.forbidden});
  return tombstones;
}

Authority Tombstones::authority() const {
  const std::lock_guard lock(visible_);
  return content_.authority;
}

Status Tombstones::acceptable(const Authority& authority) const {
  const Authority known = this->authority();
  if (authority.epoch.number < known.epoch.number)
    return failure(ErrorCode::conflict, "epoch " + std::to_string(authority.epoch.number.value) +
                                            " is older than " + std::to_string(known.epoch.number.value) +
                                            ", which this host has obeyed");
  if (authority.epoch.number > known.epoch.number) return {};
  if (authority.epoch.id != known.epoch.id)
    return failure(ErrorCode::conflict, "another database has the same epoch number: one of them is a copy");
  const std::string term = std::to_string(authority.term.value);
  if (authority.term < known.term)
    return failure(ErrorCode::conflict, "term " + term + " is older than " +
                                            std::to_string(known.term.value) +
                                            ", which this host has obeyed");
  if (authority.term == known.term && authority.manager != known.manager)
    return failure(ErrorCode::conflict, "a second manager, " + authority.manager.value + ", in term " + term +
                                            " of " + known.manager.value);
  return {};
}

Status Tombstones::obey(const Authority& authority) {
  return change([&](Content& next) -> Result<bool> {
    if (authority == next.authority) return false;
    if (const Status accepted = acceptable(authority); !accepted) return failure(accepted.error());
    next.authority = authority;
    return true;
  });
}

Status Tombstones::hold(const VmId& vm, Generation generation) {
  return change([&](Content& next) -> Result<bool> {
    if (generation.value == 0) return failure(ErrorCode::invalid, "generation 0 can't be started");
    if (!next.vms.contains(vm) && next.vms.size() >= kMostVms)
      return failure(ErrorCode::exhausted,
                     "this host remembers " + std::to_string(kMostVms) + " VMs already");
    VmRecord& record = next.vms.try_emplace(vm, VmRecord{vm, {}, {}, {}}).first->second;
    if (generation <= record.forbidden)
      return failure(ErrorCode::conflict, "generation " + numbered(generation) +
                                              " is forbidden here (up to " + numbered(record.forbidden) +
                                              ")");
    if (generation < record.held)
      return failure(ErrorCode::conflict, "generation " + numbered(generation) + " is older than " +
                                              numbered(record.held) + ", which this host holds");
    if (record.held == generation && record.boot == boot_) return false;
    record.held = generation;
    record.boot = boot_;
    return true;
  });
}

Status Tombstones::release(const VmId& vm, Generation generation) {
  return change([&](Content& next) -> Result<bool> {
    const auto found = next.vms.find(vm);
    if (found == next.vms.end() || found->second.held != generation) return false;
    found->second.held = Generation();
    return true;
  });
}

Status Tombstones::forbid(const VmId& vm, Generation generation) {
  return change([&](Content& next) -> Result<bool> {
    VmRecord& record = next.vms.try_emplace(vm, VmRecord{vm, {}, {}, {}}).first->second;
    const bool drops_hold = record.held.value > 0 && record.held <= generation;
    if (generation <= record.forbidden && !drops_hold) return false;
    record.forbidden = std::max(record.forbidden, generation);
    if (drops_hold) record.held = Generation();
    return true;
  });
}

Status Tombstones::forget(const VmId& vm) {
  return change([&vm](Content& next) -> Result<bool> { return next.vms.erase(vm) == 1; });
}

}  // namespace bascule::hostd
