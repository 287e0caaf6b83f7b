// Sends a file over a WebSocket.
#pragma once

#include <string>

#include "base/net/http.h"

namespace bascule::cli {

// What the other end said when it closed, or why it couldn't be sent. Waits for its end, which may take as
// long as the other end needs to keep it.
std::string send_file(const net::ClientOptions& to, const std::string& path, const std::string& file);

}  // namespace bascule::cli
