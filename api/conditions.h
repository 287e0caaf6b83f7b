// Conditions: what a request asks of the server beside its body. Not to be done twice: Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header-07). Only if the machine is as the asker last saw it: If-Match
// with the ETag of GET /v1/vms/{id} (RFC 9110, 13.1.1). Changes take them, other paths refuse them.
#pragma once

#include <string>

#include "api/api.h"

namespace bascule::api {

// Whether a route asks for a change that is an operation, which can be followed.
bool is_change(const Route& route);

// Of a request's method, target and body.
std::string digest_of(const net::HttpRequest& request);

// Reads what stands in the headers into `call`: then its id is that of its key, and its digest is set. False,
// and the call is refused, when a condition can't be met here.
bool read_conditions(const Route& route, Call& call);

}  // namespace bascule::api
