// EventStreams: `GET /v1/events` as one stream of Server-Sent Events (HTML Living Standard, 9.2), strung
// together of the manager's answers, each of which is asked for with the token that came along. So a right
// that ends ends the stream, at its next event.
//
// Besides the manager's events there are three of the portal's own: "unavailable" and "available", when the
// manager doesn't answer and when it does again, and "ended", with the problem that ended it.
//
// Threads: open() on the server's, what follows on the server's and the pool's.
#pragma once

#include "base/net/http.h"

namespace bascule::portal {

bool wants_stream(const net::HttpRequest& request);

class EventStreams {
 public:
  // The pool must outlive the server: each stream keeps one of its connections waiting.
  explicit EventStreams(net::HttpPool& manager) : manager_(manager) {}

  // `request` as of clean_request(). The manager's refusal is answered like any other.
  void open(net::HttpRequest request, net::HttpReply reply);

 private:
  net::HttpPool& manager_;
};

}  // namespace bascule::portal
