#include "api/problem.h"

namespace bascule::api {
namespace {

std::string title_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid:
      return "The request is wrong";
    case ErrorCode::not_found:
      return "There is no such thing";
    case ErrorCode::conflict:
      return "The present state forbids it";
    case ErrorCode::changed:
      return "It has been changed since";
    case ErrorCode::denied:
      return "Not allowed";
    case ErrorCode::reason_required:
      return "A reason for access is needed first";
    case ErrorCode::unauthenticated:
      return "Sign in first";
    case ErrorCode::policy:
      return "A rule of the house forbids it";
    case ErrorCode::unavailable:
      return "Not available now";
    case ErrorCode::timeout:
      return "No answer in time; nothing was done";
    case ErrorCode::unknown_outcome:
      return "It may or may not have been done";
    case ErrorCode::exhausted:
      return "A bound is reached";
    case ErrorCode::corrupt:
      return "Stored data is damaged";
    case ErrorCode::internal:
      return "A fault in Bascule";
  }
  return "A fault in Bascule";
}

}  // namespace

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid:
      return 400;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::conflict:
      return 409;
    case ErrorCode::changed:
      return 412;
    case ErrorCode::denied:
    case ErrorCode::reason_required:
      return 403;
    case ErrorCode::unauthenticated:
      return 401;
    case ErrorCode::policy:
      return 422;
    case ErrorCode::unavailable:
      return 503;
    case ErrorCode::timeout:
      return 504;
    case ErrorCode::unknown_outcome:
      return 504;
    case ErrorCode::exhausted:
      return 503;
    case ErrorCode::corrupt:
      return 500;
    case ErrorCode::internal:
      return 500;
  }
  return 500;
}

Problem problem_of(const Error& error, std::vector<FieldProblem> errors) {
  Problem problem = net::make_problem(status_of(error.code), error.code, title_of(error.code), error.message);
  problem.errors = std::move(errors);
  if (problem.status == 503) problem.retry_after_s = 1;
  return problem;
}

}  // namespace bascule::api
