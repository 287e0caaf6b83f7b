// Whom a server lets in by smart card, and until when.
#include <doctest/doctest.h>

#include <functional>
#include <thread>

#include "base/net/http.h"
#include "card_pki.h"
#include "raw_peer.h"
#include "seen.h"
#include "test_pki.h"

using namespace bascule;
using namespace bascule::net;
using test::CardPki;
using test::contains;
using test::kCardPolicy;
using test::Pki;
using test::RawPeer;

namespace {

CardRules rules_of(const CardPki& cards) { return {cards.root(), kCardPolicy, cards.crl(), {"127.0.0.0/8"}}; }

std::unique_ptr<Server> start(const CardRules& rules, const WebSocketEvents& events = {}) {
  ServerOptions options;
  options.address = "127.0.0.1";
  options.tls = Pki::instance().files("manager");
  options.cards = rules;
  options.websockets["/session"] = {
      [events](const std::string&, const Peer&) { return std::optional(events); }, WebSocketLimits()};
  auto server = Server::start(std::move(options), [](const HttpRequest& request, const HttpReply& reply) {
    HttpResponse response;
    response.body = request.peer.name;
    reply(response);
  });
  REQUIRE(server);
  return *std::move(server);
}

ClientOptions options_of(const Server& server, const TlsFiles& files) {
  ClientOptions options;
  options.address = "127.0.0.1:" + std::to_string(server.port());
  options.tls = files;
  return options;
}

std::unique_ptr<HttpClient> client_of(const Server& server, const TlsFiles& files) {
  auto client = HttpClient::make(options_of(server, files));
  REQUIRE(client);
  return *std::move(client);
}

TlsFiles card(const CardPki& cards, const std::string& who) {
  return cards.files(who, Pki::instance().files("manager").ca);
}

Result<HttpResponse> ask(HttpClient& client) {
  HttpRequest request;
  request.method = "GET";
  request.target = "/";
  return client.request(request, 5s);
}

// What a new connection gets: the name by which it was let in, or why not.
std::string entry(const Server& server, const TlsFiles& files) {
  const auto answer = ask(*client_of(server, files));
  return answer ? answer->body : std::string(to_string(answer.error().code)) + ": " + answer.error().message;
}

bool within(Duration time, const std::function<bool()>& holds) {
  for (const auto end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end;
       std::this_thread::sleep_for(20ms))
    if (holds()) return true;
  return false;
}

}  // namespace

TEST_CASE("a card lets in, by its name; no other certificate does") {
  CardPki cards;
  cards.publish();
  const auto server = start(rules_of(cards));
  CHECK(entry(*server, card(cards, "alice")) == "alice");
  for (const char* who : {"soft", "plain", "any", "server", "stranger", "unstated"}) {
    CAPTURE(who);
    CHECK(entry(*server, card(cards, who)).starts_with("denied: "));
  }
  CHECK(entry(*server, Pki::instance().files("operator")).starts_with("denied: "));  // the internal CA's
  CHECK(entry(*server, {Pki::instance().files("manager").ca, "", ""}).starts_with("denied: "));
}

TEST_CASE("one issuing authority can be pinned, without the one above it") {
  CardPki cards;
  CardRules rules = rules_of(cards);
  rules.ca = cards.issuing();
  cards.write_crl(cards.issuing_crl_in_der());
  const auto server = start(rules);
  CHECK(entry(*server, card(cards, "alice")) == "alice");
  CHECK(entry(*server, card(cards, "soft")).starts_with("denied: "));
  CHECK(entry(*server, card(cards, "unstated")).starts_with("denied: "));
}

TEST_CASE("without a revocation list that is good today nobody is let in") {
  CardPki cards;
  const auto server = start(rules_of(cards));
  const auto alice = card(cards, "alice");
  CHECK(entry(*server, alice).starts_with("denied: "));
  cards.publish_outdated();
  CHECK_FALSE(within(3s, [&] { return entry(*server, alice) == "alice"; }));
  cards.write_crl(cards.issuing_crl_in_der());  // the root's is missing
  CHECK_FALSE(within(3s, [&] { return entry(*server, alice) == "alice"; }));
  cards.publish();
  CHECK(within(10s, [&] { return entry(*server, alice) == "alice"; }));
  cards.write_crl("-----BEGIN X509 CRL-----\nnone\n-----END X509 CRL-----\n");  // what was read still counts
  CHECK_FALSE(within(3s, [&] { return entry(*server, alice) != "alice"; }));
}

TEST_CASE("who holds a revoked card is cut off, whatever is open") {
  CardPki cards;
  cards.publish();
  test::Seen there, here;
  const auto server = start(rules_of(cards), there.events());
  const auto alice = client_of(*server, card(cards, "alice"));
  const auto bob = client_of(*server, card(cards, "bob"));
  REQUIRE(ask(*alice));
  REQUIRE(ask(*bob));
  const auto socket =
      WebSocketClient::dial(options_of(*server, card(cards, "alice")), "/session", {}, here.events());
  REQUIRE(socket);
  CHECK(here.opened());

  cards.revoke("alice");
  cards.publish();
  CHECK(contains(there.closed(), "revoked"));  // within 10 s
  here.closed();
  const auto again = ask(*alice);
  REQUIRE_FALSE(again);
  CHECK(contains(again.error().message, "our certificate was revoked"));
  CHECK(ask(*bob));
}

TEST_CASE("who doesn't come from a network of the administration isn't even asked for a certificate") {
  CardPki cards;
  cards.publish();
  CardRules rules = rules_of(cards);
  rules.networks = {"192.0.2.0/24", "2001:db8::/32", "127.0.0.4/30"};
  const auto server = start(rules);
  CHECK(RawPeer(server->port()).is_closed());
  CHECK_FALSE(entry(*server, card(cards, "alice")).starts_with("alice"));
}

TEST_CASE("rules for cards are refused with all that is wrong") {
  const auto problems = problems_of(CardRules{"", "card", "", {"198.18.0.0", "127.0.0.1/33", "::1/128"}});
  REQUIRE(problems.size() == 5);
  CHECK(contains(problems[1], "policy: must be an OID"));
  CHECK(contains(problems[3], "networks[0]: "));
  CHECK(contains(problems[4], "networks[1]: "));
  CHECK(problems_of(CardRules{"ca", "1.2.3", "crl", {}}).size() == 1);
}
