// How hosts get certificates of the internal authority: by an invitation, at a listener of its own that asks
// for none; then, before those end, by themselves (Enrolment::renew).
#pragma once

#include <functional>
#include <memory>
#include <string>

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

  Enrolment(std::unique_ptr<Authority> authority, Duration validity, Submit submit)
      : authority_(std::move(authority)), validity_(validity), submit_(std::move(submit)) {}

  // POST kJoinPath. Certificates are given only once it is stored which they are.
  void join(const net::HttpRequest& request, const net::HttpReply& reply) const;
  // POST kRenewalPath, by the host that its present certificate names.
  void renew(const net::HttpRequest& request, const net::HttpReply& reply) const;

 private:
  const std::unique_ptr<const Authority> authority_;
  const Duration validity_;
  const Submit submit_;
};

// `own` is the manager's certificate. `enrolment` must outlive the server.
Result<std::unique_ptr<net::Server>> serve_join(const Enrolment& enrolment, const std::string& address,
                                                std::uint16_t port, const net::TlsFiles& own);

}  // namespace bascule::api
