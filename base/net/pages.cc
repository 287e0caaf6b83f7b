#include "base/net/pages.h"

#include <algorithm>
#include <filesystem>

#include "base/durable_file.h"
#include "base/sha256.h"

namespace bascule::net {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestPage = 4 * 1024 * 1024;
constexpr std::size_t kMostFiles = 1000;
constexpr std::string_view kDocument = "/index.html";

std::string type_of(const std::string& path) {
  static const std::map<std::string, std::string> types{{".html", "text/html; charset=utf-8"},
                                                        {".js", "text/javascript; charset=utf-8"},
                                                        {".css", "text/css; charset=utf-8"},
                                                        {".json", "application/json"},
                                                        {".svg", "image/svg+xml"},
                                                        {".png", "image/png"},
                                                        {".woff2", "font/woff2"}};
  const auto found = types.find(fs::path(path).extension().string());
  return found == types.end() ? "application/octet-stream" : found->second;
}

// "gzip, deflate, br;q=1.0": no browser sends a weight of nought.
bool accepts(const HttpRequest& request, const std::string& coding) {
  const auto found = request.headers.find("accept-encoding");
  return found != request.headers.end() && found->second.find(coding) != std::string::npos;
}

bool is_plain(const std::string& path) {
  return std::all_of(path.begin(), path.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("/-_.~%").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

std::string header(const HttpRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

}  // namespace

const std::map<std::string, std::string>& headers_of_pages() {
  static const std::map<std::string, std::string> headers{
      {"strict-transport-security", "max-age=63072000"},
      {"x-content-type-options", "nosniff"},
      {"x-frame-options", "DENY"},
      {"referrer-policy", "no-referrer"},
      {"cross-origin-opener-policy", "same-origin"},
      {"cross-origin-resource-policy", "same-origin"},
      {"permissions-policy", "camera=(), geolocation=(), microphone=(), usb=()"},
      {"content-security-policy",
       // Styles in the document: xterm.js makes its own as it goes.
       "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
       "font-src 'self'; "
       "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}};
  return headers;
}

bool is_from_elsewhere(const std::string& origin, const std::string& fetch_site, const std::string& host) {
  if (!fetch_site.empty() && fetch_site != "same-origin" && fetch_site != "none") return true;
  return !origin.empty() && origin != "https://" + host;
}

Result<Pages> Pages::load(const std::string& folder) {
  Pages pages;
  std::error_code problem;
  for (const auto& entry : fs::recursive_directory_iterator(folder, problem)) {
    if (!entry.is_regular_file()) continue;
    auto content = read_whole(entry.path().string(), kLargestPage);
    if (!content) return failure(content.error());
    std::string path = "/" + fs::relative(entry.path(), folder).string();
    const std::string ending = entry.path().extension().string();
    const std::string coding = ending == ".gz" ? "gzip" : ending == ".br" ? "br" : "";
    if (!coding.empty()) path.resize(path.size() - ending.size());
    if (pages.files_.size() >= kMostFiles)
      return failure(ErrorCode::invalid, folder + " holds too many files");
    File& file = pages.files_[path];
    file.content_type = type_of(path);
    file.immutable = path.starts_with("/assets/");
    if (coding.empty()) file.etag = "\"" + sha256_hex(*content).substr(0, 16) + "\"";
    file.forms[coding] = *std::move(content);
  }
  if (problem) return failure(ErrorCode::invalid, folder + " can't be read: " + problem.message());
  if (!pages.files_.contains(std::string(kDocument)))
    return failure(ErrorCode::invalid,
                   folder + " has no index.html: is it what the build of portal/ui left?");
  return pages;
}

HttpResponse Pages::give(const File& file, const HttpRequest& request) const {
  HttpResponse response;
  response.headers = headers_of_pages();
  response.content_type = file.content_type;
  response.headers["etag"] = file.etag;
  response.headers["vary"] = "accept-encoding";
  response.headers["cache-control"] = file.immutable ? "public, max-age=31536000, immutable" : "no-cache";
  if (header(request, "if-none-match") == file.etag) {
    response.status = 304;
    return response;
  }
  for (const char* coding : {"br", "gzip"}) {
    const auto form = file.forms.find(coding);
    if (form == file.forms.end() || !accepts(request, coding)) continue;
    response.headers["content-encoding"] = coding;
    response.body = form->second;
    return response;
  }
  const auto plain = file.forms.find("");
  if (plain != file.forms.end()) response.body = plain->second;
  return response;
}

std::optional<HttpResponse> Pages::answer(const HttpRequest& request) const {
  const std::string path = request.target.substr(0, request.target.find_first_of("?#"));
  if (request.method != "GET" || path.starts_with("/v1/") || !is_plain(path)) return std::nullopt;
  const auto found = files_.find(path);
  if (found != files_.end()) return give(found->second, request);
  const auto has = [&path](std::string_view words) { return path.find(words) != std::string::npos; };
  // A file that isn't there is no page, but names of machines have dots.
  const bool names_machine = path.starts_with("/machines/") && !has("/..");
  const bool could_be_page = !has("%") && (!has(".") || names_machine);
  if (!could_be_page) return std::nullopt;
  return give(files_.at(std::string(kDocument)), request);
}

}  // namespace bascule::net
