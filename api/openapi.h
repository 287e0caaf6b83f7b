// What the API tells of itself to tenants: OpenAPI 3.1, made of the routes and of the types' fields().
#pragma once

#include <string>
#include <vector>

#include "api/router.h"

namespace bascule::api {

std::vector<Route> description_routes();  // GET /v1/openapi.json

// Of the routes that come through a portal and have a description; JSON.
std::string openapi_document(const std::vector<Route>& routes);

}  // namespace bascule::api
