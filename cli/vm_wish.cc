#include "cli/vm_wish.h"

#include <fstream>
#include <iterator>

#include "base/json.h"
#include "cli/vm_spec.h"

namespace bascule::cli {
namespace {

Result<std::string> contents_of(const std::string& path) {
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file) return failure(ErrorCode::invalid, path + " can't be read");
  return text;
}

// Of a file such as id_ed25519.pub, or authorized_keys with several.
Status add_keys(const std::string& path, json::Value& keys) {
  const auto text = contents_of(path);
  if (!text) return failure(text.error());
  std::size_t begin = 0;
  while (begin < text->size()) {
    const std::size_t end = std::min(text->find('\n', begin), text->size());
    const std::string line = text->substr(begin, end - begin);
    if (!line.empty() && line.front() != '#') keys.push_back(line);
    begin = end + 1;
  }
  return {};
}

}  // namespace

Result<std::string> wish_body(const VmWish& wish) {
  json::Value body{{"name", wish.name}, {"start", !wish.stopped}, {"reason", wish.reason}};
  const auto memory = parse_mib(wish.memory);
  if (!memory) return failure(memory.error().within("--memory"));
  const auto size = parse_mib(wish.size);
  if (!size) return failure(size.error().within("--size"));
  body["memory_mib"] = *memory;
  body["size_mib"] = *size;
  if (!wish.home.empty()) body["home"] = wish.home;
  if (!wish.image.empty()) body["image"] = wish.image;
  if (!wish.iso.empty()) body["iso"] = wish.iso;
  if (wish.vcpus > 0) body["vcpus"] = wish.vcpus;
  if (wish.no_screen) body["screen"] = false;
  if (wish.unprotected) body["protected"] = false;
  for (const std::string& path : wish.ssh_keys)
    if (const Status added = add_keys(path, body["ssh_keys"]); !added) return failure(added.error());
  if (!wish.user_data.empty()) {
    const auto text = contents_of(wish.user_data);
    if (!text) return failure(text.error());
    body["user_data"] = *text;
  }
  return json::text_of(body);
}

}  // namespace bascule::cli
