// Authorities of smart cards in a temporary folder: a root, and below it one that issues. Made by the openssl
// command.
#pragma once

#include <string>

#include "base/net/tls.h"

namespace test {

inline constexpr const char* kCardPolicy = "1.3.6.1.4.1.32473.1.1";

class CardPki {
 public:
  CardPki();
  ~CardPki();
  CardPki(const CardPki&) = delete;
  CardPki& operator=(const CardPki&) = delete;

  // Of "alice" and "bob", whose keys are said to be in cards; "soft" (another policy), "plain" (no policy),
  // "any" (the policy "any"), "server" (a card, but not for clients), "stranger" (the policy, but by an
  // authority that the root did not sign), "unstated" (the policy, but by one below the root that has none).
  // The issuing authority's certificate comes along.
  bascule::net::TlsFiles files(const std::string& who, const std::string& server_ca) const;

  // PEM.
  std::string root() const { return folder_ + "/root.pem"; }
  std::string issuing() const { return folder_ + "/issuing.pem"; }

  // The lists of both authorities in one file, whole at any moment.
  std::string crl() const { return folder_ + "/cards.crl"; }
  void revoke(const std::string& who) { run("revoke " + who); }  // in the next list
  void publish() { run("publish 7"); }
  void publish_outdated() { run("publish_outdated"); }
  void write_crl(const std::string& bytes) const;
  std::string crl_text() const;
  std::string issuing_crl_in_der();

 private:
  void run(const std::string& command);

  std::string folder_;
};

}  // namespace test
