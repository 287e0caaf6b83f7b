#include "base/net/problem.h"

#include "base/json.h"
#include "base/model.h"

namespace bascule::net {

Problem make_problem(int status, ErrorCode code, std::string title, std::string detail) {
  const std::string name(name_of(code));
  return {"urn:bascule:problem:" + name, std::move(title), status, std::move(detail), name, {}, "", 0};
}

HttpResponse respond(const Problem& problem) {
  HttpResponse response;
  response.status = problem.status;
  response.content_type = "application/problem+json";
  response.body = json::encode_text(problem);
  if (!problem.request.empty()) response.headers["x-request-id"] = problem.request;
  if (problem.retry_after_s > 0) response.headers["retry-after"] = std::to_string(problem.retry_after_s);
  return response;
}

void answer_nothing(const HttpRequest&, const HttpReply& reply) {
  reply(respond(
      make_problem(404, ErrorCode::not_found, "The request can't be served", "only WebSockets are here")));
}

}  // namespace bascule::net
