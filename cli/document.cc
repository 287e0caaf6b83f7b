#include "cli/document.h"

#include "base/json.h"

namespace bascule::cli {
namespace {

const Document* find(const Document& document, std::string_view path) {
  const Document* here = &document;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    const std::string name(path.substr(0, dot));
    if (!here->is_object() || !here->contains(name)) return nullptr;
    here = &(*here)[name];
    path = dot == std::string_view::npos ? "" : path.substr(dot + 1);
  }
  return here;
}

std::string as_text(const Document& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "";
  return value.dump();
}

}  // namespace

std::string text(const Document& document, std::string_view path) {
  const Document* found = find(document, path);
  return found ? as_text(*found) : "";
}

bool flag(const Document& document, std::string_view path) {
  const Document* found = find(document, path);
  return found && found->is_boolean() && found->get<bool>();
}

std::uint64_t number(const Document& document, std::string_view path) {
  const Document* found = find(document, path);
  return found && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string time_text(const Document& document, std::string_view path) {
  const Document* found = find(document, path);
  return found && found->is_number_integer() ? to_iso8601({found->get<std::int64_t>()}) : "";
}

std::vector<Document> elements(const Document& document, std::string_view path) {
  const Document* found = find(document, path);
  if (!found || !found->is_array()) return {};
  return {found->begin(), found->end()};
}

std::string joined(const Document& document, std::string_view path, std::string_view separator) {
  std::string all;
  for (const Document& element : elements(document, path))
    all += (all.empty() ? "" : std::string(separator)) + as_text(element);
  return all;
}

Document parse(const std::string& body) {
  auto parsed = json::parse(body);
  return parsed ? std::move(*parsed) : Document::object();
}

}  // namespace bascule::cli
