// Connect: client.toml found and read, and the connection that it describes.
#pragma once

#include <string>

#include "cli/grant.h"
#include "cli/session.h"

namespace bascule::cli {

// The file that counts: --config, $BASCULE_CONFIG, ~/.config/bascule/client.toml, /etc/bascule/client.toml.
std::string config_path(const std::string& option);

// Where `bascule sign-in` keeps what it was given: beside the configuration. $BASCULE_TOKEN counts before it.
std::string token_path(const std::string& config);

// Asks for the PIN of a smart card, where the configuration names one.
Outcome<std::unique_ptr<net::HttpClient>> connect(const Globals& globals, const AskSecret& ask);

// Where and how the configuration says to connect; without the token.
Outcome<net::ClientOptions> client_options(const Globals& globals, const AskSecret& ask);

// How keys in cards are reached, as the configuration says; where there is none, as p11-kit knows them.
TokenAccess key_access(const Globals& globals, const AskSecret& ask);

// The tenant's key and its pin, as the configuration names them.
Outcome<TenantKeys> tenant_keys(const Globals& globals, const AskSecret& ask);

// For --check-config: says what it found; gives the exit code, 0 or 2.
int check_config_file(const std::string& path);

}  // namespace bascule::cli
