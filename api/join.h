// How hosts get certificates of the internal authority: by an invitation, at a listener of its own that asks
// for none; then, before those end, by themselves (Enrolment::renew).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "api/sign_in_throttle.h"
#include "base/certificates.h"
#include "base/net/http.h"
#include "cluster/snapshot.h"
#include "failover/action.h"
#include "failover/event.h"

namespace bascule::api {

// May be called from any thread.
class Enrolment {
 public:
  using Submit = std::function<void(EventBody, std::function<void(const Answer&)>)>;
  using Look = std::function<SnapshotPointer()>;

  Enrolment(std::unique_ptr<Authority> authority, Duration validity, Submit submit, Look look)
      : authority_(std::move(authority)),
        validity_(validity),
        submit_(std::move(submit)),
        look_(std::move(look)) {}

  // POST kJoinPath. Certificates are given only once it is stored which they are. Strangers, whose invitation
  // is no good, cost no signature and leave no trail, and wait longer each time.
  void join(const net::HttpRequest& request, const net::HttpReply& reply);
  // POST kRenewalPath, by the host that its present certificate names; not too often.
  void renew(const net::HttpRequest& request, const net::HttpReply& reply);

 private:
  const std::unique_ptr<const Authority> authority_;
  const Duration validity_;
  const Submit submit_;
  const Look look_;
  const SystemClock clock_;
  SignInThrottle throttle_;
  std::mutex mutex_;
  std::map<HostId, Instant> renewed_;  // of the inventory: it is bounded
};

// `own` is the manager's certificate. `enrolment` must outlive the server.
Result<std::unique_ptr<net::Server>> serve_join(Enrolment& enrolment, const std::string& address,
                                                std::uint16_t port, const net::TlsFiles& own);

}  // namespace bascule::api
