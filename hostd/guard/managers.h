// The managers' lease planes as guard sees them: POST /lease with this host's guard certificate. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/net/http.h"
#include "base/wire.h"

namespace bascule::guard {

class Managers {
 public:
  Managers(std::vector<std::string> addresses, net::TlsFiles tls);

  // Asks one, on a kept connection. After a failure the connection is made anew from the certificate files,
  // so a renewed certificate is taken up without a restart.
  Result<wire::LeaseReply> ask(std::size_t manager, const wire::LeaseRequest& request, Duration time);

 private:
  Result<wire::LeaseReply> ask_connected(net::HttpClient& client, const wire::LeaseRequest& request,
                                         Duration time);

  struct Manager {
    std::string address;
    std::unique_ptr<net::HttpClient> client;
  };
  std::vector<Manager> managers_;
  const net::TlsFiles tls_;
};

}  // namespace bascule::guard
