// Problem: the one form of every error that is answered over HTTP (RFC 9457, application/problem+json).
//
// Beside the standard members it carries `code` (base/result.h's ErrorCode, for programs), `errors` (each
// wrong field with its path) and `request` (the id under which the audit knows this request).
#pragma once

#include <string>
#include <vector>

#include "base/fields.h"
#include "base/net/http.h"
#include "base/result.h"

namespace bascule::net {

struct FieldProblem {
  std::string path;
  std::string problem;
};
template <class V>
void fields(V& v, FieldProblem& x) {
  v("path", x.path);
  v("problem", x.problem);
}

struct Problem {
  std::string type;
  std::string title;
  int status = 500;
  std::string detail;
  std::string code;
  std::vector<FieldProblem> errors{};
  std::string request{};
  int retry_after_s = 0;  // sent as the header Retry-After
};
template <class V>
void fields(V& v, Problem& x) {
  v("type", x.type);
  v("title", x.title);
  v("status", x.status);
  v("detail", x.detail);
  v("code", x.code);
  v("errors", x.errors);
  v.optional("request", x.request);
}

Problem make_problem(int status, ErrorCode code, std::string title, std::string detail);
HttpResponse respond(const Problem& problem);

// Of a listener that has WebSockets alone: 404.
void answer_nothing(const HttpRequest& request, const HttpReply& reply);

}  // namespace bascule::net
