#include "portal/server/event_streams.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include "portal/server/relay.h"

namespace bascule::portal {
namespace {

constexpr std::string_view kPath = "/v1/events";
constexpr std::string_view kType = "text/event-stream";
constexpr Duration kBatchTime = 28s;  // above what the manager is asked to wait
constexpr Duration kPace = 250ms;     // between two answers, so that a storm costs few requests
constexpr Duration kRetry = 2s;
constexpr Duration kLongestRetry = 30s;

Duration retry_after(const net::HttpResponse& response) {
  const auto told = response.headers.find("retry-after");
  int seconds = 0;
  if (told != response.headers.end())
    std::from_chars(told->second.data(), told->second.data() + told->second.size(), seconds);
  return std::clamp<Duration>(std::chrono::seconds(seconds), kRetry, kLongestRetry);
}

class EventStream : public std::enable_shared_from_this<EventStream> {
 public:
  EventStream(net::HttpPool& manager, net::HttpRequest request)
      : manager_(manager), request_(std::move(request)) {}

  void open(net::HttpReply reply);

 private:
  using Answer = Result<net::HttpResponse>;

  void run(std::shared_ptr<net::BodyStream> body, const std::string& first);
  void ask();
  void take(Answer answer);
  void note_last(const net::HttpResponse& response);
  void end(const std::string& problem);
  void wait(Duration time);

  net::HttpPool& manager_;
  net::HttpRequest request_;
  std::shared_ptr<net::BodyStream> body_;
  bool away_ = false;
};

void EventStream::open(net::HttpReply reply) {
  manager_.request(request_, kBatchTime,
                   [self = shared_from_this(), reply = std::move(reply)](Answer answer) {
                     if (answer) self->note_last(*answer);
                     net::HttpResponse response =
                         clean_answer(std::move(answer), self->request_.headers.at("x-request-id"));
                     if (response.status != 200) return reply(std::move(response));
                     response.headers["x-accel-buffering"] = "no";
                     response.goes_on = [self, first = response.body](std::shared_ptr<net::BodyStream> body) {
                       self->run(std::move(body), first);
                     };
                     reply(std::move(response));
                   });
}

void EventStream::run(std::shared_ptr<net::BodyStream> body, const std::string& first) {
  body_ = std::move(body);
  if (body_->send(first)) wait(kPace);
}

// Whoever was told that the manager is away is told at once when it is back.
void EventStream::ask() {
  request_.target = std::string(kPath) + (away_ ? "?wait=0" : "?wait=20");
  manager_.request(request_, kBatchTime,
                   [self = shared_from_this()](Answer answer) { self->take(std::move(answer)); });
}

void EventStream::take(Answer answer) {
  const int status = answer ? answer->status : 503;
  const bool busy = status == 429 || status >= 500;
  if (!busy && status != 200) return end(answer->body);
  if (busy != away_ && status != 429) {
    away_ = busy;
    if (!body_->send(busy ? "event: unavailable\ndata: {}\n\n" : "event: available\ndata: {}\n\n")) return;
  }
  if (busy) return wait(answer ? retry_after(*answer) : kRetry);
  note_last(*answer);
  if (body_->send(answer->body)) wait(kPace);
}

void EventStream::note_last(const net::HttpResponse& response) {
  const auto last = response.headers.find("last-event-id");
  if (last != response.headers.end()) request_.headers["last-event-id"] = last->second;
}

void EventStream::end(const std::string& problem) {
  body_->send("event: ended\ndata: " + problem + "\n\n");
  body_->end();
}

void EventStream::wait(Duration time) {
  body_->later(time, [self = shared_from_this()] { self->ask(); });
}

}  // namespace

bool wants_stream(const net::HttpRequest& request) {
  const auto accept = request.headers.find("accept");
  const std::string path = request.target.substr(0, request.target.find('?'));
  return request.method == "GET" && path == kPath && accept != request.headers.end() &&
         accept->second.find(kType) != std::string::npos;
}

void EventStreams::open(net::HttpRequest request, net::HttpReply reply) {
  request.headers["accept"] = kType;
  std::make_shared<EventStream>(manager_, std::move(request))->open(std::move(reply));
}

}  // namespace bascule::portal
