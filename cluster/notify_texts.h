// The words of notices in English and French. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "cluster/notify.h"
#include "failover/action.h"

namespace bascule {

enum class Language { en, fr };
constexpr auto enum_names(Language) {
  return std::array{EnumName<Language>{Language::en, "en"}, EnumName<Language>{Language::fr, "fr"}};
}

// What a notice tells of. Names, not ids. A kind (failover/action.h) uses:
//   host_lost          host: found dead; recovery begins
//   site_lost          site
//   fencing_held       host, n guests: nothing proves it dead; a person must attest-down
//   host_doubted       host, n guests, detail: it is silent, but nothing is decided
//   vms_switched       host, site (where to), vms, n: the digest of a bascule
//   host_returned      host: quarantined
//   vm_failed          vms (one), host
//   vm_restarted       vms, host, n: in place
//   device_policy      vms, host, detail: the device
//   host_fault         host, detail
//   fencing_not_ready  host, detail
//   channel_dead       detail: mail or sms, and the error
//   ends_soon          detail: what of the manager's ends when, and what to do
//   copies_behind      vms, host, detail
//   vms_switched_loss  as vms_switched, and lost
//   failback_done      vms, site, n
//   failback_refused   vms, detail
//   out_of_band        vms, host, detail
//   access_alert       detail: who, what and how often
//   access_report      detail: lines; by mail alone
//   evidence_contradicted  host, detail: it was proved dead and speaks
struct NoticeFacts {
  std::string cluster;
  std::string host;
  std::string site;
  std::string vms;  // "web-1, web-2"; the mail shows all, the SMS as many as fit
  std::size_t n = 0;
  std::string detail;
  std::string lost;  // "4.2 s"
};

// Subject, text and SMS of a kind; id, incident and time are the caller's. The SMS always fits one message.
Notice compose(NoticeKind kind, Language language, const NoticeFacts& facts);

}  // namespace bascule
