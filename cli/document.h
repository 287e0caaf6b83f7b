// Document: tolerant reading of what the API answered. A newer manager may show more; what is missing reads
// as empty.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace bascule::cli {

using Document = nlohmann::json;

// The member at a dotted path ("fencing.state") as text; numbers and booleans as they are written.
std::string text(const Document& document, std::string_view path);
bool flag(const Document& document, std::string_view path);
std::uint64_t number(const Document& document, std::string_view path);
// A time of the API (milliseconds) as "2026-11-25T19:00:43.123Z"; "" when absent.
std::string time_text(const Document& document, std::string_view path);
// The elements of a list; none when there is no list.
std::vector<Document> elements(const Document& document, std::string_view path);
std::string joined(const Document& document, std::string_view path, std::string_view separator);

// An object when `body` is no JSON: everything in it reads as empty.
Document parse(const std::string& body);

}  // namespace bascule::cli
