// Identity: this host's certificates and keys, where the manager's authority gave them: <state_dir>/identity,
// a symbolic link to the folder that holds all five files of one issue. So they change all at once, and
// whoever opens a connection afterwards reads the new ones.
//   ca.pem  host.pem  host.key  guard.pem  guard.key      (mode 0600, of root)
#pragma once

#include <string>
#include <vector>

#include "base/certificates.h"
#include "base/id.h"
#include "base/net/tls.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wire_join.h"

namespace bascule::hostd {

class Identity {
 public:
  explicit Identity(const std::string& state_dir) : link_(state_dir + "/identity") {}

  net::TlsFiles files() const { return {link_ + "/ca.pem", link_ + "/host.pem", link_ + "/host.key"}; }
  // Whether these are our files, so that they are renewed here.
  bool is_used_by(const net::TlsFiles& files) const { return files.certificate == link_ + "/host.pem"; }

  // Two thirds of its certificate's time are over.
  Result<bool> is_due(WallTime now) const;

  // Once, with an invitation. `manager` is its join port.
  Status join(const HostId& host, const std::string& manager, const std::string& invitation,
              const std::string& fingerprint) const;
  // With the certificates that it has; the managers' host ports are asked in turn.
  Status renew(const HostId& host, const std::vector<std::string>& managers) const;

 private:
  struct Keys {
    KeyAndRequest host, guard;
    wire::CertificateRequests requests() const { return {host.request, guard.request}; }
  };
  // A new folder with these keys: made before anything is asked, so that what is answered can be kept.
  Result<std::string> begin(const Keys& keys) const;
  Status finish(const std::string& folder, const Result<wire::Certificates>& certificates) const;

  const std::string link_;
};

// `bascule-hostd join …`: asks for the invitation on standard input; gives the exit code.
int join_command(int argc, char** argv);

}  // namespace bascule::hostd
