#include "hostd/guard/managers.h"

#include "hostd/guard/lease_file.h"

namespace bascule::guard {

Managers::Managers(std::vector<std::string> addresses, net::TlsFiles tls) : tls_(std::move(tls)) {
  for (std::string& address : addresses) managers_.push_back({std::move(address), nullptr});
}

Result<wire::LeaseReply> Managers::ask(std::size_t manager, const wire::LeaseRequest& request,
                                       Duration time) {
  Manager& one = managers_.at(manager);
  if (!one.client) {
    net::ClientOptions options;
    options.address = one.address;
    options.tls = tls_;
    options.connect_time = time;
    options.body_bytes = 16 * 1024;
    Result<std::unique_ptr<net::HttpClient>> client = net::HttpClient::make(options);
    if (!client) return failure(client.error());
    one.client = std::move(*client);
  }
  Result<wire::LeaseReply> reply = ask_connected(*one.client, request, time);
  if (reply) return reply;
  one.client.reset();
  return failure(reply.error().within("asking manager " + one.address + " for the lease"));
}

Result<wire::LeaseReply> Managers::ask_connected(net::HttpClient& client, const wire::LeaseRequest& request,
                                                 Duration time) {
  net::HttpRequest post;
  post.method = "POST";
  post.target = std::string(wire::kLeasePath);
  post.content_type = "application/json";
  post.body = to_text(request);
  const Result<net::HttpResponse> response = client.request(post, time);
  if (!response) return failure(response.error());
  if (response->status != 200)
    return failure(ErrorCode::unavailable,
                   "it answered with HTTP status " + std::to_string(response->status));
  return reply_of(response->body);
}

}  // namespace bascule::guard
