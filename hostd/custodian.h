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

#include "base/custody.h"
#include "base/model.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule::hostd {

// Of what decides how a machine boots, and so what gets inside it: its kernel, its first settings, its disks.
std::string digest_of_boot(const VmSpec& spec);

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

class Custodian {
 public:
  // `path`: where the nonces of spent grants are kept until they have expired.
  static Result<std::unique_ptr<Custodian>> open(const std::string& path, std::string officer);

  struct Visit {
    OperatorId who;
    Inside operation = Inside::console;
    std::optional<Grant> grant;
  };
  // Spends the grant. Gives the pin that it brought, if that is newer than the one that is kept: it is to be
  // kept from now on. Until when the visit may last is the grant's.
  Result<std::optional<Pin>> may_enter(const Custody& kept, const Visit& visit, WallTime now);

 private:
  Custodian(std::string path, std::string officer) : path_(std::move(path)), officer_(std::move(officer)) {}
  Status spend(const Grant& grant, WallTime now);

  const std::string path_;
  const std::string officer_;
  std::mutex mutex_;
  std::map<std::string, WallTime> spent_;  // until when each is to be remembered
};

}  // namespace bascule::hostd
