// How a host gets certificates: by an invitation once, then again and again with those that it has. JSON over
// HTTP; a part of wire.h.
#pragma once

#include <string>
#include <string_view>

#include "base/fields.h"
#include "base/id.h"

namespace bascule::wire {

inline constexpr std::string_view kJoinPath = "/v1/join";  // POST JoinRequest, at the manager's join port
inline constexpr std::string_view kRenewalPath =
    "/v1/certificates";  // POST CertificateRequests, at its host port

struct CertificateRequests {  // PEM
  std::string host;
  std::string guard;
};
template <class V>
void fields(V& v, CertificateRequests& x) {
  v("host", x.host);
  v("guard", x.guard);
}
struct JoinRequest {
  HostId host;
  std::string invitation;
  CertificateRequests requests;
};
template <class V>
void fields(V& v, JoinRequest& x) {
  v("host", x.host);
  v("invitation", x.invitation);
  v("requests", x.requests);
}
struct Certificates {  // PEM
  std::string ca;
  std::string host;
  std::string guard;
};
template <class V>
void fields(V& v, Certificates& x) {
  v("ca", x.ca);
  v("host", x.host);
  v("guard", x.guard);
}

}  // namespace bascule::wire
