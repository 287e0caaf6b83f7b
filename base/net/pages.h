// Pages: what a browser gets of a portal: files of one folder, as the build of portal/ui leaves them, held in
// memory.
//
// Files of assets/ have a digest of their content in their names and never change; beside each file may lie
// its compressed forms, .br and .gz. Any other path that could be a page's gives the one document,
// index.html, which finds its way by itself.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/net/http.h"
#include "base/result.h"

namespace bascule::net {

class Pages {
 public:
  // `invalid`: there is no index.html, or the folder holds more than pages do.
  static Result<Pages> load(const std::string& folder);

  // Nothing when it is no request for a page: another method, or a path of the API.
  std::optional<HttpResponse> answer(const HttpRequest& request) const;

 private:
  struct File {
    std::string content_type;
    std::string etag;
    bool immutable = false;
    std::map<std::string, std::string> forms;  // by content-coding; "": as it is
  };
  HttpResponse give(const File& file, const HttpRequest& request) const;
  std::map<std::string, File> files_;  // by path, "/assets/index-abc.js"
};

// What every answer to a browser carries, so that nothing runs in it that isn't ours (CSP Level 3, Fetch).
const std::map<std::string, std::string>& headers_of_pages();

// Whether a browser says that another site's page made it ask, by the headers Origin and Sec-Fetch-Site
// (Fetch Metadata); programs send neither. `host`: the header.
bool is_from_elsewhere(const std::string& origin, const std::string& fetch_site, const std::string& host);

}  // namespace bascule::net
