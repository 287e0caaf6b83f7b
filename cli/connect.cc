#include "cli/connect.h"

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/config_load.h"
#include "base/secret.h"

namespace bascule::cli {
namespace {

struct TlsConfig {
  std::string ca;
  std::string certificate;  // a file, or a PKCS#11 URI
  std::string key;
  std::string module;    // of PKCS#11; empty: those that p11-kit knows
  std::string pin_file;  // empty: the PIN is asked for
};
template <class V>
void fields(V& v, TlsConfig& x) {
  v("ca", x.ca);
  v("certificate", x.certificate);
  v("key", x.key);
  v.optional("module", x.module);
  v.optional("pin_file", x.pin_file);
}

// Where keys are that sign: the tenant's, the security officer's, those that break the glass.
struct CardConfig {
  std::string module;    // of PKCS#11; empty: those that p11-kit knows
  std::string pin_file;  // empty: the PIN is asked for
};
template <class V>
void fields(V& v, CardConfig& x) {
  v.optional("module", x.module);
  v.optional("pin_file", x.pin_file);
}

struct ClientConfig {
  std::string manager;  // of an operator, with the certificate in [tls]; or:
  std::string portal;   // of a tenant's user, who signs in
  std::string ca;       // of the portal's certificate; empty: the system's count
  std::string tenant_key,
      tenant_pin;  // what signs grants: a file or a PKCS#11 URI; who vouches for it: a file
  std::optional<TlsConfig> tls;
  std::optional<CardConfig> card;
};
template <class V>
void fields(V& v, ClientConfig& x) {
  v.optional("manager", x.manager);
  v.optional("portal", x.portal);
  v.optional("ca", x.ca);
  v.optional("tenant_key", x.tenant_key);
  v.optional("tenant_pin", x.tenant_pin);
  v.optional("tls", x.tls);
  v.optional("card", x.card);
}

void check_config(const ClientConfig& config, const ConfigProblem& problem) {
  if (config.manager.empty() == config.portal.empty())
    problem("manager", "either `manager` (of an operator) or `portal` (of a tenant's user) is needed");
  if (config.tenant_key.empty() != config.tenant_pin.empty())
    problem("tenant_key", "goes with `tenant_pin`, and the other way round");
  if (!config.manager.empty() && !config.tls) problem("tls", "is needed with `manager`: your certificate");
  if (!config.portal.empty() && config.tls) problem("tls", "is for operators; with `portal` you sign in");
}

TokenAccess token_access(const std::string& module, const std::string& pin_file, const AskSecret& ask) {
  const auto pin = [ask, pin_file]() -> std::optional<Secret> {
    if (pin_file.empty()) return ask("PIN of your card:");
    auto kept = read_secret_file(pin_file);
    return kept ? std::optional(*std::move(kept)) : std::nullopt;
  };
  return {module, pin};
}

// Adds the token to each request.
class SignedIn final : public net::HttpClient {
 public:
  SignedIn(std::unique_ptr<net::HttpClient> client, Secret token)
      : client_(std::move(client)), token_(std::move(token)) {}
  Result<net::HttpResponse> request(const net::HttpRequest& request, Duration time) override {
    net::HttpRequest with = request;
    if (!token_.empty()) with.headers["authorization"] = "Bearer " + token_.reveal();
    return client_->request(with, time);
  }

 private:
  const std::unique_ptr<net::HttpClient> client_;
  const Secret token_;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::string config_path(const std::string& option) {
  if (!option.empty()) return option;
  const std::string named = environment("BASCULE_CONFIG");
  if (!named.empty()) return named;
  std::string home = environment("XDG_CONFIG_HOME");
  if (home.empty() && !environment("HOME").empty()) home = environment("HOME") + "/.config";
  const std::string own = home + "/bascule/client.toml";
  std::error_code ignored;
  if (!home.empty() && std::filesystem::exists(own, ignored)) return own;
  return "/etc/bascule/client.toml";
}

std::string token_path(const std::string& config) { return config + ".token"; }

Outcome<net::ClientOptions> client_options(const Globals& globals, const AskSecret& ask) {
  const auto config = load_config<ClientConfig>(config_path(globals.config));
  if (!config)
    return tl::unexpected(
        Failure{kUsage, config.error().message,
                "It names the manager and your certificate; --config FILE or BASCULE_CONFIG "
                "names another file. bascule(1) has an example."});
  net::ClientOptions options;
  const bool is_operator = !config->manager.empty();
  options.address = is_operator ? config->manager : config->portal;
  if (is_operator) {
    options.tls = {
        config->tls->ca, config->tls->certificate, config->tls->key,
        std::make_shared<const TokenAccess>(token_access(config->tls->module, config->tls->pin_file, ask))};
  } else {
    options.tls.ca = config->ca;
    options.expect_role.clear();
  }
  return options;
}

Outcome<std::unique_ptr<net::HttpClient>> connect(const Globals& globals, const AskSecret& ask) {
  const std::string path = config_path(globals.config);
  const auto options = client_options(globals, ask);
  if (!options) return tl::unexpected(options.error());
  auto client = net::HttpClient::make(*options);
  if (!client) return tl::unexpected(Failure{kUsage, client.error().message, "See `tls` in " + path + "."});
  if (!options->expect_role.empty()) return std::move(*client);  // an operator, by certificate
  Secret token(environment("BASCULE_TOKEN"));
  if (token.empty()) {
    auto kept = read_secret_file(token_path(path));
    if (kept) token = std::move(*kept);
  }
  return std::make_unique<SignedIn>(std::move(*client), std::move(token));
}

TokenAccess key_access(const Globals& globals, const AskSecret& ask) {
  const auto config = load_config<ClientConfig>(config_path(globals.config));
  if (config && config->card) return token_access(config->card->module, config->card->pin_file, ask);
  if (config && config->tls) return token_access(config->tls->module, config->tls->pin_file, ask);
  return token_access("", "", ask);
}

Outcome<TenantKeys> tenant_keys(const Globals& globals, const AskSecret& ask) {
  const auto config = load_config<ClientConfig>(config_path(globals.config));
  if (!config) return tl::unexpected(Failure{kUsage, config.error().message, ""});
  if (config->tenant_key.empty())
    return tl::unexpected(
        Failure{kUsage, "no tenant's key is configured",
                "Name it in client.toml: tenant_key and tenant_pin. `bascule key make` makes one."});
  return TenantKeys{config->tenant_key, config->tenant_pin, key_access(globals, ask)};
}

int check_config_file(const std::string& path) {
  return report_config_check(path, load_config<ClientConfig>(path));
}

}  // namespace bascule::cli
