#include "cli/connect.h"

#include <cstdlib>
#include <filesystem>

#include "base/config_load.h"

namespace bascule::cli {
namespace {

struct TlsConfig {
  std::string ca;
  std::string certificate;
  std::string key;
};
template <class V>
void fields(V& v, TlsConfig& x) {
  v("ca", x.ca);
  v("certificate", x.certificate);
  v("key", x.key);
}

struct ClientConfig {
  std::string manager;
  TlsConfig tls;
};
template <class V>
void fields(V& v, ClientConfig& x) {
  v("manager", x.manager);
  v("tls", x.tls);
}

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

Outcome<std::unique_ptr<net::HttpClient>> connect(const Globals& globals) {
  const std::string path = config_path(globals.config);
  const auto config = load_config<ClientConfig>(path);
  if (!config)
    return tl::unexpected(
        Failure{kUsage, config.error().message,
                "It names the manager and your certificate; --config FILE or BASCULE_CONFIG "
                "names another file. bascule(1) has an example."});
  net::ClientOptions options;
  options.address = config->manager;
  options.tls = {config->tls.ca, config->tls.certificate, config->tls.key};
  auto client = net::HttpClient::make(options);
  if (!client) return tl::unexpected(Failure{kUsage, client.error().message, "See `tls` in " + path + "."});
  return std::move(*client);
}

int check_config_file(const std::string& path) {
  return report_config_check(path, load_config<ClientConfig>(path));
}

}  // namespace bascule::cli
