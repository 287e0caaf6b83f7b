// One attempt to hand one notice to one route. Blocks for at most `timeout`; used by the Courier's threads.
//
// Errors: `invalid` (the other side refused this very message), `unavailable` or `timeout` (it may accept
// later, or another route may now). A lost answer counts as not accepted.
#pragma once

#include <stop_token>
#include <string>

#include "cluster/notify.h"

namespace bascule {

struct Attempt {
  Duration timeout = 5s;
  std::stop_token stop;  // cuts it off
};

Status send_mail(const MailRoute& route, const std::string& cluster, const Notice& notice,
                 const Attempt& attempt);
Status send_sms(const SmsRoute& route, const std::string& number, const Notice& notice,
                const Attempt& attempt);

// The whole message as it goes over the wire, lines ending in CRLF. It depends on its arguments alone, so a
// repeated delivery is the same message, Message-ID and Date included. Pure.
std::string mail_message(const MailRoute& route, const std::string& cluster, const Notice& notice);

// The gateway's URL with its placeholders filled in, each percent-encoded. Pure.
std::string sms_url(const SmsRoute& route, const std::string& password, const std::string& number,
                    const std::string& text);

}  // namespace bascule
