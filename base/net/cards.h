// CardTrust: CardRules (base/net/tls.h) at work. For the .cc files of base/net; on the server's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/net/tls_context.h"

namespace bascule::net {

// A peer's certificate and what it sent along to prove it.
using PeerChain = std::shared_ptr<STACK_OF(X509)>;
PeerChain chain_of(SSL& connection);

// The check that a verification has just failed in is the revocation of the anchor itself, which nobody's
// list speaks of: the verification may go on. For verify callbacks.
bool is_about_anchor(X509_STORE_CTX& context);
// By its own words, not by "any policy".
bool carries_policy(const X509& certificate, const std::string& policy);

class CardTrust {
 public:
  // `own` is the server's certificate. That there is no revocation list isn't an error here: the server runs,
  // and admits nobody until there is one.
  static Result<std::unique_ptr<CardTrust>> load(const TlsFiles& own, const CardRules& rules);
  virtual ~CardTrust() = default;

  virtual bool admits(const asio::ip::address& from) const = 0;
  // For connections that begin now.
  virtual std::shared_ptr<asio::ssl::context> context() const = 0;
  // Reads the revocation lists again if their file changed. A file that can't be read changes nothing: what
  // was read before counts for as long as it says.
  virtual bool refresh() = 0;  // true: something else counts now
  // Why a peer that was admitted wouldn't be now; empty: it still is.
  virtual std::string why_not(const PeerChain& chain) const = 0;
};

}  // namespace bascule::net
