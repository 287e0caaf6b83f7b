// From an error to the Problem that the API answers.
#pragma once

#include <vector>

#include "base/net/problem.h"
#include "base/result.h"

namespace bascule::api {

using net::FieldProblem;
using net::Problem;
using net::respond;

int status_of(ErrorCode code);
Problem problem_of(const Error& error, std::vector<FieldProblem> errors = {});

}  // namespace bascule::api
