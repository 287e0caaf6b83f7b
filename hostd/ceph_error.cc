#include "hostd/ceph_error.h"

#include <cerrno>
#include <cstring>

namespace bascule::hostd {

Error error_of(int code, const std::string& what) {
  const std::string text = what + ": " + std::strerror(-code);
  switch (-code) {
    case ENOENT:
      return {ErrorCode::not_found, text};
    case EEXIST:
    case EBUSY:
    case ENOTEMPTY:
    case EINVAL:
      return {ErrorCode::conflict, text};
    case EACCES:
    case EPERM:
      return {ErrorCode::denied,
              text + "; does the keyring have the capabilities that docs/install.md lists?"};
    case ENOSPC:
    case EDQUOT:
      return {ErrorCode::exhausted, text};
    case ESHUTDOWN:
      return {ErrorCode::denied, text + " (this connection is on the cluster's blocklist)"};
    case ETIMEDOUT:
      return {ErrorCode::unavailable,
              text + "; do its monitors and OSDs run, and does the network reach them?"};
    default:
      return {ErrorCode::unavailable, text};
  }
}

Status status_of(int code, const std::string& what) {
  if (code >= 0) return {};
  return failure(error_of(code, what));
}

}  // namespace bascule::hostd
