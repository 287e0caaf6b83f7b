// HttpPool, and servers that ask nobody for a certificate.
#include <doctest/doctest.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "base/net/http.h"
#include "raw_peer.h"
#include "test_pki.h"

namespace {

using namespace bascule;
using namespace bascule::net;
using test::Pki;

ServerOptions manager_options() {
  ServerOptions options;
  options.address = "127.0.0.1";
  options.tls = Pki::instance().files("manager");
  options.admit_role = "operator";
  return options;
}

std::unique_ptr<Server> serve(ServerOptions options, HttpHandler handler) {
  auto server = Server::start(std::move(options), std::move(handler));
  REQUIRE(server);
  return *std::move(server);
}

std::unique_ptr<HttpPool> pool_of(std::uint16_t port, std::size_t connections = 8,
                                  std::size_t waiting = 1000) {
  PoolOptions options;
  options.client.address = "127.0.0.1:" + std::to_string(port);
  options.client.tls = Pki::instance().files("operator");
  options.connections = connections;
  options.waiting = waiting;
  auto pool = HttpPool::make(options);
  REQUIRE(pool);
  return *std::move(pool);
}

HttpRequest asking(const std::string& target, const std::string& method = "GET") {
  HttpRequest request;
  request.method = method;
  request.target = target;
  return request;
}

// Replies as they come, from the pool's thread.
class Replies {
 public:
  HttpPool::Reply next() {
    return [this](Result<HttpResponse> result) {
      const std::lock_guard lock(mutex_);
      results_.push_back(std::move(result));
      changed_.notify_all();
    };
  }
  std::vector<Result<HttpResponse>> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 30s, [&] { return results_.size() >= count; }));
    return results_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Result<HttpResponse>> results_;
};

void say_target(const HttpRequest& request, const HttpReply& reply) {
  HttpResponse response;
  response.body = request.target;
  reply(response);
}

}  // namespace

TEST_CASE("a pool carries many requests over few connections") {
  const auto server = serve(manager_options(), say_target);
  Replies replies;
  const auto pool = pool_of(server->port(), 4);
  std::set<std::string> expected;
  for (int i = 0; i < 200; ++i) {
    expected.insert("/" + std::to_string(i));
    pool->request(asking("/" + std::to_string(i)), 20s, replies.next());
  }
  std::set<std::string> seen;
  for (const auto& result : replies.wait_for(200)) {
    REQUIRE(result);
    seen.insert(result->body);
  }
  CHECK(seen == expected);
}

TEST_CASE("requests that wait for an answer don't hold up others") {
  std::mutex mutex;
  std::vector<HttpReply> held;
  const auto server = serve(manager_options(), [&](const HttpRequest& request, const HttpReply& reply) {
    if (request.target != "/slow") return say_target(request, reply);
    const std::lock_guard lock(mutex);
    held.push_back(reply);
  });
  Replies slow, quick;
  const auto pool = pool_of(server->port(), 8);
  for (int i = 0; i < 5; ++i) pool->request(asking("/slow"), 30s, slow.next());
  for (int i = 0; i < 50; ++i) pool->request(asking("/quick"), 20s, quick.next());
  for (const auto& result : quick.wait_for(50)) CHECK(result);
  {
    const std::lock_guard lock(mutex);
    for (const HttpReply& reply : held) reply(HttpResponse());
  }
  for (const auto& result : slow.wait_for(5)) CHECK(result);
}

TEST_CASE("a pool's requests end in time, and say whether something was sent") {
  const auto server = serve(manager_options(), [](const HttpRequest&, const HttpReply&) {});
  Replies replies, others;
  const auto pool = pool_of(server->port(), 1);
  pool->request(asking("/first", "POST"), 300ms, replies.next());
  CHECK(replies.wait_for(1)[0].error().code == ErrorCode::unknown_outcome);

  pool->request(asking("/holds", "POST"), 20s, others.next());
  pool->request(asking("/waits"), 300ms, others.next());
  CHECK(others.wait_for(1)[0].error().code == ErrorCode::timeout);
}

TEST_CASE("a pool takes so many and no more, and answers what is open when it ends") {
  const auto server = serve(manager_options(), [](const HttpRequest&, const HttpReply&) {});
  Replies replies;
  auto pool = pool_of(server->port(), 1, 2);
  for (int i = 0; i < 10; ++i) pool->request(asking("/"), 20s, replies.next());
  const auto refused = replies.wait_for(7);
  for (std::size_t i = 0; i < 7; ++i) CHECK(refused[i].error().code == ErrorCode::exhausted);
  pool.reset();
  const auto all = replies.wait_for(10);
  CHECK(all.size() == 10);
  for (std::size_t i = 7; i < 10; ++i) CHECK(all[i].error().code == ErrorCode::unavailable);
}

TEST_CASE("a pool finds a server that was restarted") {
  auto server = serve(manager_options(), say_target);
  const std::uint16_t port = server->port();
  Replies replies;
  const auto pool = pool_of(port);
  pool->request(asking("/one"), 20s, replies.next());
  CHECK(replies.wait_for(1)[0]);
  server.reset();
  pool->request(asking("/two"), 20s, replies.next());
  CHECK(replies.wait_for(2)[1].error().code == ErrorCode::unavailable);
  ServerOptions again = manager_options();
  again.port = port;
  server = serve(again, say_target);
  pool->request(asking("/three"), 20s, replies.next());
  CHECK(replies.wait_for(3)[2]);
}

TEST_CASE("a public server asks for no certificate; its own is checked by its name") {
  ServerOptions options = manager_options();
  options.tls.ca.clear();
  CHECK_FALSE(Server::start(options, say_target));  // public, and for a role: which?
  options.admit_role.clear();
  const auto server = serve(options, say_target);
  ClientOptions client;
  client.address = "127.0.0.1:" + std::to_string(server->port());
  client.tls.ca = Pki::instance().files("operator").ca;
  client.expect_role.clear();
  const auto stranger = HttpClient::make(client);
  REQUIRE(stranger);
  const auto answer = (*stranger)->request(asking("/hello"), 10s);
  REQUIRE(answer);
  CHECK(answer->body == "/hello");

  client.address = "localhost:" + std::to_string(server->port());
  client.tls.ca.clear();  // those of the system don't know it
  const auto misled = HttpClient::make(client);
  REQUIRE(misled);
  CHECK((*misled)->request(asking("/hello"), 10s).error().code == ErrorCode::denied);
}

TEST_CASE("whose an address is") {
  CHECK(network_of("203.0.113.7") == "203.0.113.7");
  CHECK(network_of("2001:db8:0:7::1") == "2001:db8:0:7::/64");
  CHECK(network_of("2001:db8:0:7:ffff::9") == "2001:db8:0:7::/64");
  CHECK(network_of("::ffff:203.0.113.7") == "203.0.113.7");
  CHECK(network_of("nonsense") == "nonsense");
  CHECK(host_of("203.0.113.7:51000") == "203.0.113.7");
  CHECK(host_of("[2001:db8::1]:51000") == "2001:db8::1");
}

TEST_CASE("one address gets so many connections and no more") {
  ServerOptions options = manager_options();
  options.http.connections_per_address = 2;
  const auto server = serve(options, [](const HttpRequest&, const HttpReply&) {});
  Replies replies;
  const auto pool = pool_of(server->port(), 3);
  for (int i = 0; i < 3; ++i) pool->request(asking("/"), 20s, replies.next());
  CHECK(replies.wait_for(1)[0].error().code == ErrorCode::unavailable);
}
