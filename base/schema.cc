#include "base/schema.h"

#include <cctype>

namespace bascule::json {

std::string short_name(std::string_view type) {
  std::string name;
  std::string word;
  bool list = false;
  for (const char c : type) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
      word += c;
    } else if (c == '<') {
      list = list || word == "List";
      if (word != "List") name += word;
      word.clear();
    } else if (c == ':' || c == '{' || c == '}' || c == '>' || c == ',' || c == ' ') {
      if (c == '>' || c == ',') name += word;
      word.clear();
    }
  }
  return name + word + (list ? "List" : "");
}

}  // namespace bascule::json
