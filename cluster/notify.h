// Notices to people: mail by SMTP and SMS by an HTTP gateway, from the outbox until accepted.
//
// The manager stores a Notice in the same transaction as the decision it tells of, and hands it to the
// Courier. The courier tries each channel until it accepts, and reports that; the manager deletes the record
// only then. After a crash in between the notice is sent once more, with the same Message-ID.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"

namespace bascule {

using NoticeId = Id<struct NoticeTag>;  // a valid name: it becomes the left part of a Message-ID

enum class Severity { info, warning, critical };
constexpr auto enum_names(Severity) {
  using S = Severity;
  return std::array{EnumName<S>{S::info, "info"}, EnumName<S>{S::warning, "warning"},
                    EnumName<S>{S::critical, "critical"}};
}

struct Notice {
  NoticeId id;
  IncidentId incident;
  Severity severity = Severity::info;
  std::string subject;   // one line; line breaks are made spaces
  std::string text;      // UTF-8, "\n" between lines
  std::string sms_text;  // at most 160 GSM-7 septets (cluster/gsm7.h); empty: no SMS for this one
  WallTime created;
  std::vector<std::string> also{};  // who else gets it, by mail alone; named to nobody
  bool operator==(const Notice&) const = default;
};
template <class V>
void fields(V& v, Notice& x) {
  v("id", x.id);
  v("incident", x.incident);
  v("severity", x.severity);
  v("subject", x.subject);
  v("text", x.text);
  v.optional("sms_text", x.sms_text);
  v("created", x.created);
  v.optional("also", x.also);
}

// [[mail]] of manager.toml.
struct MailRoute {
  std::string url;  // smtp://host:port (STARTTLS required unless tls = "none") or smtps://host:port
  std::string from;
  std::vector<std::string> to;
  std::string user;              // empty: no authentication
  std::string password_file;     // 0600
  std::string ca;                // empty: the system's authorities
  std::string tls = "required";  // or "none"
  bool operator==(const MailRoute&) const = default;
};
template <class V>
void fields(V& v, MailRoute& x) {
  v("url", x.url);
  v("from", x.from);
  v("to", x.to);
  v.optional("user", x.user);
  v.optional("password_file", x.password_file);
  v.optional("ca", x.ca);
  v.optional("tls", x.tls);
}

// [[sms]] of manager.toml. One request per recipient; any 2xx answer means accepted.
struct SmsRoute {
  std::string url;  // http(s) with {user} {password} {to} {text}, each percent-encoded when filled in
  std::vector<std::string> to;  // "+33123456789"
  std::string user;
  std::string password_file;
  std::string ca;
  bool operator==(const SmsRoute&) const = default;
};
template <class V>
void fields(V& v, SmsRoute& x) {
  v("url", x.url);
  v("to", x.to);
  v.optional("user", x.user);
  v.optional("password_file", x.password_file);
  v.optional("ca", x.ca);
}

// "url: must start with smtp:// or smtps://"; empty when it is sound. Doesn't touch files.
std::string problem_of(const MailRoute& route);
std::string problem_of(const SmsRoute& route);

enum class Channel { mail, sms };
constexpr auto enum_names(Channel) {
  return std::array{EnumName<Channel>{Channel::mail, "mail"}, EnumName<Channel>{Channel::sms, "sms"}};
}

// Accepted by a channel: for mail by the relay for all recipients, for SMS by the gateway for each number.
struct NoticeAccepted {
  NoticeId id;
  Channel channel = Channel::mail;
  std::size_t route = 0;  // which of the configured routes took it, 0 is the first
};

// A channel is dead while none of its routes works; it is tried on and on all the same.
struct ChannelStatus {
  Channel channel = Channel::mail;
  bool alive = true;
  WallTime since;  // of this status
  Error error;     // the last one, when dead
};

struct CourierConfig {
  std::string cluster;  // right part of the Message-ID
  std::vector<MailRoute> mail;
  std::vector<SmsRoute> sms;
  Duration timeout = 5s;  // of one attempt with one route
  Duration first_retry = 1s;
  Duration last_retry = 60s;
  std::size_t capacity = 1000;  // notices waiting per channel
};

// Threads: one per channel, so a dead relay delays no SMS. deliver() may be called from any thread; the
// callbacks come from the channels' threads and must not block. A channel without routes accepts nothing and
// says so once: the caller asks wants() which acceptances to wait for.
class Courier {
 public:
  struct Callbacks {
    std::function<void(NoticeAccepted)> accepted;
    std::function<void(ChannelStatus)> status;  // at each change between alive and dead
  };

  Courier(CourierConfig config, const Clock& clock, Callbacks callbacks);
  ~Courier();  // an attempt that is under way is cut off; its notice stays in the outbox
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // Which channels will report an acceptance of this notice.
  bool wants(Channel channel, const Notice& notice) const;

  // Queues it for the channel. `exhausted` when too many wait: it stays in the outbox, deliver it again
  // later. A notice that waits already (same id) is not queued twice.
  Status deliver(Channel channel, const Notice& notice);

 private:
  class ChannelThread;
  std::unique_ptr<ChannelThread> mail_;
  std::unique_ptr<ChannelThread> sms_;
};

}  // namespace bascule
