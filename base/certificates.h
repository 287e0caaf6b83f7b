// Certificates of the internal authority: keys and requests made (RFC 2986), requests signed, certificates
// read (RFC 5280). Who somebody is says the subject: CN, and the role as OU. All texts are PEM.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"

namespace bascule {

// A new P-256 key, and the request that its holder signs.
struct KeyAndRequest {
  Secret key;  // PKCS #8
  std::string request;
};
KeyAndRequest make_key_and_request(const std::string& name);

struct CertificateFacts {
  WallTime from;
  WallTime until;
  std::string serial;       // hexadecimal, capital letters
  std::string fingerprint;  // SHA-256 of its DER, hexadecimal
};
Result<CertificateFacts> read_certificate(const std::string& pem);  // the first of the text

class Authority {
 public:
  // `denied` when others than its owner may read the key; `invalid` when they don't belong together.
  static Result<std::unique_ptr<Authority>> load(const std::string& certificate_file,
                                                 const std::string& key_file);
  virtual ~Authority() = default;

  virtual const std::string& certificate() const = 0;
  // Of the request only the public key counts, and that its holder signed it. For clients of Bascule's.
  // `invalid` when it is no request or its key is weak.
  virtual Result<std::string> issue(const std::string& request, const std::string& name,
                                    const std::string& role, Duration validity) const = 0;
};

}  // namespace bascule
