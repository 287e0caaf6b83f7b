// Validity: notices in time that what the manager itself lives on comes to its end: its own certificate, and
// the list of revoked cards, without which none of the staff gets in (base/net/tls.h).
//
// Looks at once and then every hour, on a thread of its own. `post` gets an event when something is found to
// end soon, when that changes, and when it was renewed; called on that thread. What it doesn't take (false)
// is posted again at the next look.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/certificates.h"
#include "base/time.h"
#include "failover/event.h"

namespace bascule::api {

struct Watched {
  std::string certificate;  // a file; PEM
  std::string crl;          // a file; empty: there is none
};

// By its subject, such as "certificate": what ends soon and what to do, in words; those that are well have
// none. Soon is when a quarter of its time is left, a fortnight at most. What can't be read is said too.
// `served`: the certificate that the listeners have loaded, until the manager is restarted; the file may hold
// another by now.
std::map<std::string, std::string> what_ends_soon(const Watched& files, const CertificateFacts& served,
                                                  WallTime now);

class Validity {
 public:
  using Post = std::function<bool(EndsSoon)>;

  // `clock` must outlive it. `invalid` when the certificate can't be read.
  static Result<std::unique_ptr<Validity>> start(Watched files, const Clock& clock, Post post);
  ~Validity();
  Validity(const Validity&) = delete;
  Validity& operator=(const Validity&) = delete;

 private:
  Validity(Watched files, CertificateFacts served, const Clock& clock, Post post);
  void run();
  void look();

  const Watched files_;
  const CertificateFacts served_;
  const Clock& clock_;
  const Post post_;
  std::map<std::string, std::string> told_;
  std::mutex mutex_;
  std::condition_variable ends_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace bascule::api
