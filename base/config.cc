#include "base/config.h"

#include <stdexcept>

// toml++ 3.3 asserts on malformed keys, such as in [.x], where it should refuse them.
namespace {
struct ParserGaveUp : std::logic_error {
  ParserGaveUp() : std::logic_error("TOML") {}
};
constexpr void demand(bool holds) {
  if (!holds) throw ParserGaveUp();
}
}  // namespace
#define TOML_ASSERT(expression) demand(static_cast<bool>(expression))

#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <iostream>

#include "base/config_load.h"

namespace bascule {
namespace {

constexpr std::size_t kLargest = 1024 * 1024;

// One line, whatever stands in a value that is quoted in it.
std::string line_text(const std::string& name, std::uint32_t line, std::string rest) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::replace_if(rest.begin(), rest.end(), is_control, '?');
  return name + ":" + (line > 0 ? std::to_string(line) + ":" : "") + " " + rest;
}

// As JSON's parser would have it: the decoder checks the upper bound of unsigned numbers only.
json::Value integer(std::int64_t number) {
  if (number >= 0) return static_cast<std::uint64_t>(number);
  return number;
}

// A missing key stands nowhere: its error points to the table that lacks it.
std::uint32_t line_of(const std::map<std::string, std::uint32_t>& lines, std::string path) {
  while (true) {
    const auto found = lines.find(path);
    if (found != lines.end()) return found->second;
    const auto cut = path.find_last_of(".[");
    if (cut == std::string::npos) return 0;
    path.resize(cut);
  }
}

// The decoder speaks of JSON; people who edit a TOML file know keys and tables.
std::string in_words_of_toml(const std::string& problem) {
  if (problem == "is not a known field") return "is not a known key";
  if (problem == "must be an object") return "must be a table";
  return problem;
}

bool gives_up(std::string_view text) {
  try {
    (void)toml::parse(text);
  } catch (const ParserGaveUp&) {
    return true;
  } catch (const toml::parse_error&) {
  }
  return false;
}

// The parser doesn't tell where it gave up: it is the last line of the shortest part that makes it do so.
std::uint32_t line_of_giving_up(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', end + 1))
    ends.push_back(end + 1);
  const auto found = std::partition_point(ends.begin(), ends.end(),
                                          [&](std::size_t end) { return !gives_up(text.substr(0, end)); });
  return static_cast<std::uint32_t>(found - ends.begin()) + 1;
}

}  // namespace

// Turns the TOML tree into JSON and notes the lines on its way.
class ConfigReader {
 public:
  explicit ConfigReader(ConfigDocument& document) : document_(document) {}

  json::Value convert(const toml::node& node, const std::string& path) {
    document_.lines_.emplace(path, node.source().begin.line);
    if (const auto* table = node.as_table()) return convert_table(*table, path);
    if (const auto* array = node.as_array()) return convert_array(*array, path);
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return integer(number->get());
    if (const auto* number = node.as_floating_point()) return number->get();
    if (const auto* truth = node.as_boolean()) return truth->get();
    errors.push_back({path, "is a date or time, which no key takes"});
    return nullptr;
  }

  std::vector<json::FieldError> errors;

 private:
  json::Value convert_table(const toml::table& table, const std::string& path) {
    json::Value object = json::Value::object();
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const std::string inner = path.empty() ? name : path + "." + name;
      // The key's own place: a value may begin on a later line, and a dotted table begins at its first child.
      document_.lines_.emplace(inner, key.source().begin.line);
      object[name] = convert(node, inner);
    }
    return object;
  }

  json::Value convert_array(const toml::array& array, const std::string& path) {
    json::Value list = json::Value::array();
    for (const toml::node& node : array)
      list.push_back(convert(node, path + "[" + std::to_string(list.size()) + "]"));
    return list;
  }

  ConfigDocument& document_;
};

Result<ConfigDocument> ConfigDocument::parse(std::string_view text, const std::string& name) {
  try {
    const toml::table table = toml::parse(text, name);
    ConfigDocument document;
    document.name_ = name;
    ConfigReader reader(document);
    document.value_ = reader.convert(table, "");
    document.lines_.erase("");
    if (!reader.errors.empty()) return failure(document.refusal(reader.errors));
    return document;
  } catch (const toml::parse_error& error) {
    return failure(ErrorCode::invalid,
                   line_text(name, error.source().begin.line, std::string(error.description())));
  } catch (const ParserGaveUp&) {
    return failure(ErrorCode::invalid,
                   line_text(name, line_of_giving_up(text), "is not TOML; look at its key"));
  }
}

Result<ConfigDocument> ConfigDocument::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return failure(ErrorCode::not_found, path + ": can't be opened; check the path and its permissions");
  std::string text(kLargest + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof()))
    return failure(ErrorCode::not_found, path + ": can't be read; is it a file?");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kLargest)
    return failure(ErrorCode::invalid, path + ": is larger than 1 MiB; it can't be a configuration");
  return parse(text, path);
}

Error ConfigDocument::refusal(const std::vector<json::FieldError>& errors) const {
  std::vector<std::pair<std::uint32_t, std::string>> found;
  for (const json::FieldError& error : errors) {
    const std::uint32_t line = line_of(lines_, error.path);
    found.emplace_back(line, line_text(name_, line, error.path + ": " + in_words_of_toml(error.problem)));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string message;
  for (const auto& [line, text] : found) message += (message.empty() ? "" : "\n") + text;
  return {ErrorCode::invalid, message};
}

int report_config_check(const std::string& path, const Status& loaded) {
  if (loaded) {
    std::cout << path << ": no errors\n";
    return 0;
  }
  std::cerr << loaded.error().message << '\n';
  return 2;
}

}  // namespace bascule
