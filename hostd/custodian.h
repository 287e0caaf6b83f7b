// Custodian: whether somebody may get inside a machine. The one place where a host decides it; what it
// believes is kept with the volumes (base/custody.h), and nothing that a manager says changes that.
//
// Thread-safe. may_enter() blocks on the disk.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/custody.h"
#include "base/model.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule::hostd {

// Of what decides how a machine boots, and so what gets inside it: its kernel, its first settings, its disks;
// but for the CD in its drive, which may be taken out.
std::string digest_of_boot(const VmSpec& spec);

// How it boots is what its tenant will accept.
void note_boot(Custody& custody, const VmSpec& spec);

// Of a volume that has none yet.
Custody first_custody(const VmSpec& spec, bool delivered);

// As it is kept with a volume. What can't be read is an error, never "none".
std::string text_of(const Custody& custody);
Result<std::optional<Custody>> read_custody(const std::string& text);

// Whether a volume with this custody may be opened for that machine, as it is to be started.
Status check_custody(const Custody& kept, const VmSpec& spec);

// Whether the pin may take the place of the one before it, if any; `officer` is a public key in PEM, or
// empty.
Status check_pin(const Pin& pin, const std::optional<Pin>& before, const std::string& officer);

// Whose word counts on this host, by its own configuration: public keys in PEM.
struct TrustedKeys {
  std::string officer{};             // the security officer's; empty: nobody vouches for tenants' keys
  std::vector<std::string> glass{};  // of the provider's people; two of them break the glass
  Duration glass_wait = 5min;        // between its tenant's being told and the console
};

class Custodian {
 public:
  // `path`: where the nonces of spent grants are kept until they have expired.
  static Result<std::unique_ptr<Custodian>> open(const std::string& path, TrustedKeys keys);

  struct Visit {
    OperatorId who;
    Inside operation = Inside::console;
    std::optional<Grant> grant;
    std::optional<BrokenGlass> glass{};
    std::string snapshot{};  // that roll_back goes to
  };
  // What somebody's coming changes in the custody, which is to be kept before anything is opened.
  struct Entry {
    std::optional<Pin> pin{};         // that the grant brought, and that is newer than the one that is kept
    std::optional<GlassMark> mark{};  // the glass is broken by this: nobody gets in yet
    std::string used{};               // nonce of the mark that is used up by this
    std::optional<WallTime> until{};  // absent: as long as anybody likes
  };
  // Spends the grant, or the broken glass once its time has come.
  Result<Entry> may_enter(const Custody& kept, const Visit& visit, WallTime now);

  // When whoever has broken the glass then gets in.
  WallTime opens_at(const GlassMark& mark) const;

 private:
  Custodian(std::string path, TrustedKeys keys) : path_(std::move(path)), keys_(std::move(keys)) {}
  Result<Entry> by_grant(const Custody& kept, const Visit& visit, WallTime now);
  Result<Entry> by_glass(const Custody& kept, const Visit& visit, WallTime now);
  Status spend(const VmId& vm, const std::string& nonce, WallTime until, WallTime now);

  const std::string path_;
  const TrustedKeys keys_;
  std::mutex mutex_;
  std::map<std::string, WallTime> spent_;  // until when each is to be remembered
};

}  // namespace bascule::hostd
