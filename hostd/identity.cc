#include "hostd/identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/durable_file.h"
#include "base/json.h"
#include "base/net/http.h"
#include "base/random.h"
#include "hostd/system_error.h"

namespace bascule::hostd {
namespace {

namespace fs = std::filesystem;

constexpr Duration kAnswerTime = 15s;
constexpr std::size_t kLargestCertificate = 64 * 1024;

Result<wire::Certificates> ask(const net::ClientOptions& options, std::string_view path, std::string body) {
  auto client = net::HttpClient::make(options);
  if (!client) return failure(client.error());
  net::HttpRequest request;
  request.method = "POST";
  request.target = std::string(path);
  request.content_type = "application/json";
  request.body = std::move(body);
  const auto response = (*client)->request(request, kAnswerTime);
  if (!response) return failure(response.error());
  if (response->status == 200)
    return json::decode_text<wire::Certificates>(response->body, json::Unknown::tolerate);
  const auto problem = json::parse(response->body);
  const std::string detail = problem && problem->contains("detail") ? (*problem)["detail"].dump() : "";
  return failure(ErrorCode::denied, "the manager answered with HTTP status " +
                                        std::to_string(response->status) +
                                        (detail.empty() ? "" : ": " + detail));
}

Status write_all(const std::string& folder,
                 const std::vector<std::pair<const char*, const std::string*>>& files) {
  for (const auto& [name, text] : files)
    if (const Status written = write_durably(folder + "/" + name, *text); !written) return written;
  return {};
}

}  // namespace

Result<bool> Identity::is_due(WallTime now) const {
  const auto pem = read_whole(link_ + "/host.pem", kLargestCertificate);
  if (!pem) return failure(pem.error());
  const auto facts = read_certificate(*pem);
  if (!facts) return failure(facts.error());
  return now.unix_ms >= facts->from.unix_ms + (facts->until.unix_ms - facts->from.unix_ms) / 3 * 2;
}

Status Identity::join(const HostId& host, const std::string& manager, const std::string& invitation,
                      const std::string& fingerprint) const {
  const Keys keys{make_key_and_request(host.value), make_key_and_request(host.value)};
  const auto folder = begin(keys);
  if (!folder) return failure(folder.error());
  net::ClientOptions options;
  options.address = manager;
  options.fingerprint = fingerprint;
  return finish(*folder, ask(options, wire::kJoinPath,
                             json::encode_text(wire::JoinRequest{host, invitation, keys.requests()})));
}

Status Identity::renew(const HostId& host, const std::vector<std::string>& managers) const {
  const Keys keys{make_key_and_request(host.value), make_key_and_request(host.value)};
  const auto folder = begin(keys);
  if (!folder) return failure(folder.error());
  Result<wire::Certificates> certificates = failure(ErrorCode::unavailable, "no manager is configured");
  for (std::size_t i = 0; i < managers.size() && !certificates; ++i) {
    net::ClientOptions options;
    options.address = managers[i];
    options.tls = files();
    certificates = ask(options, wire::kRenewalPath, json::encode_text(keys.requests()));
    if (!certificates) certificates = failure(certificates.error().within(managers[i]));
  }
  return finish(*folder, certificates);
}

Result<std::string> Identity::begin(const Keys& keys) const {
  SystemRandom random;
  const std::string folder = link_ + "-" + make_uuid(random);
  if (::mkdir(folder.c_str(), 0700) != 0) return failure(system_error(folder));
  const Status written =
      write_all(folder, {{"host.key", &keys.host.key.reveal()}, {"guard.key", &keys.guard.key.reveal()}});
  if (written) return folder;
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return failure(written.error());
}

Status Identity::finish(const std::string& folder, const Result<wire::Certificates>& certificates) const {
  std::error_code error;
  Status done = certificates ? write_all(folder, {{"ca.pem", &certificates->ca},
                                                  {"host.pem", &certificates->host},
                                                  {"guard.pem", &certificates->guard}})
                             : failure(certificates.error());
  const std::string next = folder + ".link";
  if (done) fs::create_symlink(fs::path(folder).filename(), next, error);
  if (done && !error) fs::rename(next, link_, error);
  if (error) done = failure(ErrorCode::internal, link_ + " can't be set: " + error.message());
  // What is neither kept nor in use: this folder, or those before it.
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(link_).parent_path(), ignored)) {
    const std::string path = entry.path().string();
    const bool in_use = done ? path == folder : path != folder && path != next;
    if (path.starts_with(link_ + "-") && !in_use) fs::remove_all(path, ignored);
  }
  return done;
}

}  // namespace bascule::hostd
