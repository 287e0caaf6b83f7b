#include "hostd/guard/lease_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/json.h"

namespace bascule::guard {

Status write_lease_file(const std::string& path, const wire::LeaseFile& file) {
  const std::string draft = path + ".new";
  std::ofstream out(draft, std::ios::trunc);
  out << json::encode_text(file) << '\n';
  out.close();
  if (!out || std::rename(draft.c_str(), path.c_str()) != 0)
    return failure(ErrorCode::unavailable, path + " can't be written: " + std::strerror(errno) +
                                               "; check that its folder exists and has room");
  return {};
}

Result<wire::LeaseFile> read_lease_file(const std::string& path) {
  std::ifstream in(path);
  if (!in) return failure(ErrorCode::not_found, path + " can't be read: " + std::strerror(errno));
  std::stringstream text;
  text << in.rdbuf();
  return json::decode_text<wire::LeaseFile>(text.str(), json::Unknown::tolerate);
}

std::string to_text(const wire::LeaseRequest& request) { return json::encode_text(request); }
Result<wire::LeaseReply> reply_of(const std::string& text) {
  return json::decode_text<wire::LeaseReply>(text, json::Unknown::tolerate);
}

}  // namespace bascule::guard
