// The words of notices in English and French. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "cluster/notify.h"

namespace bascule {

enum class NoticeKind {
  host_lost,                  // host: found dead; recovery begins
  site_lost,                  // site
  fencing_held,               // host, n guests: nothing proves it dead; a person must attest-down
  vms_switched,               // host, site (where to), vms, n: the digest of a bascule
  host_returned_quarantined,  // host
  vm_failed,                  // vms (one), host
  restarted_in_place,         // vms, host, n
  device_policy,              // vms, host, detail: the device
  fencing_not_ready,          // host, detail
  channel_dead,               // detail: mail or sms, and the error
  failback_done,              // vms, site, n
  failback_refused,           // vms, detail
  out_of_band,                // vms, host, detail
  test,
};
constexpr auto enum_names(NoticeKind) {
  using K = NoticeKind;
  return std::array{EnumName<K>{K::host_lost, "host_lost"},
                    EnumName<K>{K::site_lost, "site_lost"},
                    EnumName<K>{K::fencing_held, "fencing_held"},
                    EnumName<K>{K::vms_switched, "vms_switched"},
                    EnumName<K>{K::host_returned_quarantined, "host_returned_quarantined"},
                    EnumName<K>{K::vm_failed, "vm_failed"},
                    EnumName<K>{K::restarted_in_place, "restarted_in_place"},
                    EnumName<K>{K::device_policy, "device_policy"},
                    EnumName<K>{K::fencing_not_ready, "fencing_not_ready"},
                    EnumName<K>{K::channel_dead, "channel_dead"},
                    EnumName<K>{K::failback_done, "failback_done"},
                    EnumName<K>{K::failback_refused, "failback_refused"},
                    EnumName<K>{K::out_of_band, "out_of_band"},
                    EnumName<K>{K::test, "test"}};
}

enum class Language { en, fr };
constexpr auto enum_names(Language) {
  return std::array{EnumName<Language>{Language::en, "en"}, EnumName<Language>{Language::fr, "fr"}};
}

// What a notice tells of; which of them a kind uses stands above. Names, not ids.
struct NoticeFacts {
  std::string cluster;
  std::string host;
  std::string site;
  std::string vms;  // "web-1, web-2"; the mail shows all, the SMS as many as fit
  std::size_t n = 0;
  std::string detail;
};

// Subject, text and SMS of a kind; id, incident and time are the caller's. The SMS always fits one message.
Notice compose(NoticeKind kind, Language language, const NoticeFacts& facts);

}  // namespace bascule
