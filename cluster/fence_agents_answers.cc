#include "cluster/fence_agents_answers.h"

#include <cctype>

namespace bascule {

Result<std::string> guid_in(const std::string& text, const std::string& who) {
  std::string guid;
  for (const char c : text)
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0)
      guid += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (std::isspace(static_cast<unsigned char>(c)) == 0)
      return failure(ErrorCode::corrupt, who + " answered no GUID: " + text.substr(0, 100));
  if (guid.size() != 32)
    return failure(ErrorCode::corrupt, who + " answered a GUID of the wrong length: " + guid.substr(0, 100));
  const bool unset = guid.find_first_not_of(guid[0]) == std::string::npos;
  if (unset) return failure(ErrorCode::not_found, who + " has no GUID (" + guid + "); set one in the BMC");
  return guid;
}

Result<PowerState> power_in(const std::string& text, const std::string& who) {
  const bool off = text.find("Chassis Power is off") != std::string::npos;
  const bool on = text.find("Chassis Power is on") != std::string::npos;
  if (off != on) return off ? PowerState::off : PowerState::on;
  return failure(ErrorCode::corrupt, who + " answered no power state: " + text.substr(0, 100));
}

}  // namespace bascule
