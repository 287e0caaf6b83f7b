// One stream of many answers: what it passes on, what it asks next, and what ends it.
#include "portal/server/event_streams.h"

#include <doctest/doctest.h>

#include <deque>
#include <optional>
#include <vector>

namespace {

using namespace bascule;
using namespace bascule::portal;

// Answers as it is told to, at once.
class Batches final : public net::HttpPool {
 public:
  void request(net::HttpRequest request, Duration, Reply reply) override {
    asked.push_back(std::move(request));
    Result<net::HttpResponse> answer = failure(ErrorCode::unavailable, "it is gone");
    if (!answers.empty()) {
      answer = answers.front();
      answers.pop_front();
    }
    reply(answer);
  }
  void will_answer(int status, const std::string& body, const std::string& last = "") {
    net::HttpResponse response;
    response.status = status;
    response.content_type = status == 200 ? "text/event-stream" : "application/problem+json";
    response.body = body;
    if (!last.empty()) response.headers["last-event-id"] = last;
    if (status == 429) response.headers["retry-after"] = "7";
    answers.emplace_back(std::move(response));
  }
  std::vector<net::HttpRequest> asked;
  std::deque<Result<net::HttpResponse>> answers;
};

// Keeps what was sent, and what was to be done later.
class Listener final : public net::BodyStream {
 public:
  bool send(std::string bytes) override {
    if (!here) return false;
    sent.push_back(std::move(bytes));
    return true;
  }
  void end() override { ended = true; }
  void later(Duration after, std::function<void()> call) override {
    waits.push_back(after);
    next = std::move(call);
  }
  void go_on() {
    const auto call = std::move(next);
    next = nullptr;
    REQUIRE(call != nullptr);
    call();
  }
  std::vector<std::string> sent;
  std::vector<Duration> waits;
  std::function<void()> next;
  bool here = true;
  bool ended = false;
};

struct Stream {
  Stream() {
    net::HttpRequest request;
    request.method = "GET";
    request.target = "/v1/events?after=5";
    request.headers = {{"authorization", "Bearer bst_x"}, {"x-request-id", "r1"}};
    EventStreams streams(manager);
    manager.will_answer(200, "id: 6\n\n", "6");
    streams.open(request, [this](net::HttpResponse response) { answer = std::move(response); });
    REQUIRE(answer.goes_on != nullptr);
    answer.goes_on(listener);
  }
  ~Stream() {
    listener->next = nullptr;
  }  // as a connection that ends: it would hold the stream, which holds it
  Batches manager;
  net::HttpResponse answer;
  std::shared_ptr<Listener> listener = std::make_shared<Listener>();
};

}  // namespace

TEST_CASE("only who asks for a stream gets one") {
  net::HttpRequest request;
  request.method = "GET";
  request.target = "/v1/events?after=3";
  CHECK_FALSE(wants_stream(request));
  request.headers["accept"] = "text/event-stream";
  CHECK(wants_stream(request));
  request.target = "/v1/eventsx";
  CHECK_FALSE(wants_stream(request));
  request.target = "/v1/events";
  request.method = "POST";
  CHECK_FALSE(wants_stream(request));
}

TEST_CASE_FIXTURE(Stream, "each answer is asked for after the last event of the one before") {
  CHECK(manager.asked[0].target == "/v1/events?after=5");
  CHECK(manager.asked[0].headers.at("accept") == "text/event-stream");
  manager.will_answer(200, "id: 7\ndata: {}\n\nid: 7\n\n", "7");
  listener->go_on();
  REQUIRE(manager.asked.size() == 2);
  CHECK(manager.asked[1].target == "/v1/events?wait=20");
  CHECK(manager.asked[1].headers.at("last-event-id") == "6");
  CHECK(manager.asked[1].headers.at("authorization") == "Bearer bst_x");
  manager.will_answer(200, "id: 7\n\n", "7");
  listener->go_on();
  CHECK(manager.asked[2].headers.at("last-event-id") == "7");
  CHECK(listener->sent == std::vector<std::string>{"id: 6\n\n", "id: 7\ndata: {}\n\nid: 7\n\n", "id: 7\n\n"});
}

TEST_CASE_FIXTURE(Stream, "a refusal ends the stream, and says why") {
  manager.will_answer(401, R"({"code":"unauthenticated"})");
  listener->go_on();
  CHECK(listener->sent.back() == "event: ended\ndata: {\"code\":\"unauthenticated\"}\n\n");
  CHECK(listener->ended);
  CHECK(listener->next == nullptr);
}

TEST_CASE_FIXTURE(Stream, "a manager that is away is said once, and so is its return") {
  listener->go_on();
  listener->go_on();
  CHECK(listener->sent.size() == 2);
  CHECK(listener->sent.back() == "event: unavailable\ndata: {}\n\n");
  manager.will_answer(200, "id: 9\n\n", "9");
  listener->go_on();
  REQUIRE(listener->sent.size() == 4);
  CHECK(listener->sent[2] == "event: available\ndata: {}\n\n");
  CHECK(manager.asked.back().headers.at("last-event-id") == "6");
}

TEST_CASE_FIXTURE(Stream, "who asks too often waits as long as was said") {
  manager.will_answer(429, "{}");
  listener->go_on();
  CHECK(listener->sent.size() == 1);
  CHECK(listener->waits.back() == 7s);
}

TEST_CASE_FIXTURE(Stream, "nothing is asked for a listener that has left") {
  listener->here = false;
  manager.will_answer(200, "id: 7\n\n", "7");
  listener->go_on();
  CHECK(listener->next == nullptr);
  CHECK(manager.asked.size() == 2);
}

TEST_CASE("a refusal at the start is an answer like any other") {
  Batches manager;
  EventStreams streams(manager);
  manager.will_answer(403, R"({"code":"denied"})");
  net::HttpRequest request;
  request.headers["x-request-id"] = "r1";
  net::HttpResponse answer;
  streams.open(request, [&answer](net::HttpResponse response) { answer = std::move(response); });
  CHECK(answer.status == 403);
  CHECK(answer.goes_on == nullptr);
  CHECK(answer.headers.at("cache-control") == "no-store");
}
