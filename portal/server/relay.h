// Relay: takes the requests of tenants from the internet to the manager, and its answers back.
//
// It has no authority of its own: a request is worth what the token in it is worth to the manager. What goes
// on is made anew from what was understood: a known method, a path under /v1/, and the headers that the
// manager needs. Without the manager it answers by itself, clearly and at once.
//
// Threads: handle() runs on the server's thread and never blocks; replies come on the pool's.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "base/net/http.h"
#include "base/net/pages.h"
#include "base/random.h"
#include "portal/server/event_streams.h"

namespace bascule::portal {

inline constexpr std::string_view kConsolePath = "/v1/consoles/";  // and a ticket
bool is_console(const std::string& target);                        // by its form

// The request as the manager gets it; an error (`invalid`) says why it goes no further. `source`: the
// address that it came from, without the port.
Result<net::HttpRequest> clean_request(const net::HttpRequest& request, const std::string& source);
net::HttpResponse clean_response(net::HttpResponse response);
// The manager's answer to request `id`, or a problem where there was none, as the internet gets it.
net::HttpResponse clean_answer(Result<net::HttpResponse> answer, const std::string& id);

class Relay {
 public:
  // All must outlive the server whose handler this is.
  Relay(net::HttpPool& manager, EventStreams& streams, Random& random, std::optional<net::Pages> pages = {})
      : manager_(manager), streams_(streams), random_(random), pages_(std::move(pages)) {}

  void handle(net::HttpRequest request, net::HttpReply reply);

 private:
  net::HttpPool& manager_;
  EventStreams& streams_;
  void note_manager(bool answers, const std::string& why);

  Random& random_;  // of handle()'s thread
  const std::optional<net::Pages> pages_;
  std::atomic<bool> answered_ = true;
};

}  // namespace bascule::portal
