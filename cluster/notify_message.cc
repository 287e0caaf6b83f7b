#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "cluster/notify_delivery.h"

namespace bascule {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

// Nothing that comes from outside may begin a header of its own.
std::string one_line(std::string_view text) {
  std::string result(text);
  std::replace_if(result.begin(), result.end(), is_control, ' ');
  return result;
}

// The left and right part of a message id.
std::string id_part(std::string_view text) {
  std::string result(text);
  const auto is_odd = [](char c) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
    return !fine;
  };
  std::replace_if(result.begin(), result.end(), is_odd, '-');
  return result.empty() ? "-" : result;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = (group << 8) | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j)
      result += i + j <= bytes.size() ? kLetters[(group >> (18 - 6 * j)) & 63] : '=';
  }
  return result;
}

// RFC 2047: words of at most 75 characters, never cutting a character in two.
std::string header_text(std::string_view raw) {
  const std::string text = one_line(raw);
  constexpr std::size_t kBytesPerWord = 39;  // 52 in base64, 12 around them, 9 for "Subject: "
  const bool plain = std::all_of(text.begin(), text.end(), is_ascii) && text.size() <= 200 &&
                     text.find("=?") == std::string::npos;
  if (plain) return text;
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(at + kBytesPerWord, text.size());
    while (end < text.size() && end > at + 1 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    result += (at == 0 ? "" : "\r\n ") + std::string("=?UTF-8?B?") +
              base64(std::string_view(text).substr(at, end - at)) + "?=";
    at = end;
  }
  return result;
}

// RFC 2045, one line without its end.
std::string quoted_printable(std::string_view line) {
  constexpr std::size_t kLongest = 75;
  std::string result;
  std::size_t column = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i] == '\t' || !is_control(line[i]) ? line[i] : ' ';
    const bool last = i + 1 == line.size();
    const bool encoded = !is_ascii(c) || c == '=' || ((c == ' ' || c == '\t') && last);
    const std::size_t width = encoded ? 3 : 1;
    if (column + width > kLongest) {
      result += "=\r\n";
      column = 0;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (encoded)
      result.append({'=', kHex[byte >> 4], kHex[byte & 15]});
    else
      result += c;
    column += width;
  }
  return result;
}

std::string body_text(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    result += quoted_printable(line) + "\r\n";
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return result;
}

std::string mail_date(WallTime time) {
  const std::time_t seconds = time.unix_ms / 1000;
  std::tm parts = {};
  ::gmtime_r(&seconds, &parts);
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %d %02d:%02d:%02d +0000",
                kDays.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                kMonths.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900, parts.tm_hour,
                parts.tm_min, parts.tm_sec);
  return text.data();
}

std::string percent_encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain)
      result += c;
    else
      result.append({'%', kHex[byte >> 4], kHex[byte & 15]});
  }
  return result;
}

bool has_control(const std::string& text) { return std::any_of(text.begin(), text.end(), is_control); }

bool is_address(const std::string& text) {
  const std::size_t at = text.find('@');
  const bool shaped = at != std::string::npos && at > 0 && at + 1 < text.size() &&
                      text.find('@', at + 1) == std::string::npos;
  return shaped && text.find_first_of(" <>,;\"\\()[]:") == std::string::npos && !has_control(text) &&
         std::all_of(text.begin(), text.end(), is_ascii);
}

std::string problem_of_secret(const std::string& user, const std::string& password_file) {
  if (has_control(user)) return "user: must be one line";
  if (user.empty() != password_file.empty()) return "password_file: user and password_file come together";
  return {};
}

}  // namespace

std::string mail_message(const MailRoute& route, const std::string& cluster, const Notice& notice) {
  const std::string domain = id_part(cluster);
  std::string recipients;
  for (const std::string& to : route.to) recipients += (recipients.empty() ? "" : ",\r\n ") + one_line(to);
  std::string message = "Date: " + mail_date(notice.created) + "\r\nFrom: " + one_line(route.from) +
                        "\r\nTo: " + recipients + "\r\nSubject: " + header_text(notice.subject) +
                        "\r\nMessage-ID: <" + id_part(notice.id.value) + "@" + domain + ">\r\n";
  // Never sent itself: it only makes readers show the mails of one incident together.
  if (!notice.incident.empty())
    message += "References: <incident-" + id_part(notice.incident.value) + "@" + domain + ">\r\n";
  message += std::string("X-Bascule-Severity: ") + std::string(name_of(notice.severity)) + "\r\n";
  if (notice.severity == Severity::critical) message += "Importance: high\r\nX-Priority: 1\r\n";
  message +=
      "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
  return message + body_text(notice.text);
}

std::string sms_url(const SmsRoute& route, const std::string& password, const std::string& number,
                    const std::string& text) {
  const std::array<std::pair<std::string_view, std::string_view>, 4> facts = {
      {{"{user}", route.user}, {"{password}", password}, {"{to}", number}, {"{text}", text}}};
  std::string result;
  std::string_view rest = route.url;
  while (!rest.empty()) {
    const auto fact =
        std::find_if(facts.begin(), facts.end(), [&](const auto& f) { return rest.starts_with(f.first); });
    if (fact == facts.end()) {
      result += rest.front();
      rest.remove_prefix(1);
    } else {
      result += percent_encoded(fact->second);
      rest.remove_prefix(fact->first.size());
    }
  }
  return result;
}

std::string problem_of(const MailRoute& route) {
  const bool implicit = route.url.starts_with("smtps://");
  if ((!implicit && !route.url.starts_with("smtp://")) || has_control(route.url))
    return "url: must start with smtp:// or smtps://";
  if (route.url.find('@') != std::string::npos)
    return "url: must not hold a user; use user and password_file";
  if (!is_address(route.from)) return "from: must be one mail address";
  if (route.to.empty() || route.to.size() > 100) return "to: must hold 1 to 100 addresses";
  for (const std::string& to : route.to)
    if (!is_address(to)) return "to: is not a mail address: " + to;
  if (route.tls != "required" && route.tls != "none") return "tls: must be required or none";
  if (!route.user.empty() && route.tls == "none" && !implicit)
    return "tls: a password is never sent without TLS; remove tls = \"none\" or the user";
  return problem_of_secret(route.user, route.password_file);
}

std::string problem_of(const SmsRoute& route) {
  const bool web = route.url.starts_with("http://") || route.url.starts_with("https://");
  if (!web || has_control(route.url) || route.url.find(' ') != std::string::npos)
    return "url: must start with http:// or https:// and hold no spaces";
  for (const char* needed : {"{to}", "{text}"})
    if (route.url.find(needed) == std::string::npos) return std::string("url: must hold ") + needed;
  if (route.to.empty() || route.to.size() > 100) return "to: must hold 1 to 100 numbers";
  for (const std::string& to : route.to) {
    const std::string digits = to.starts_with("+") ? to.substr(1) : to;
    if (digits.size() < 3 || digits.size() > 15 ||
        digits.find_first_not_of("0123456789") != std::string::npos)
      return "to: is not a telephone number: " + to;
  }
  return problem_of_secret(route.user, route.password_file);
}

}  // namespace bascule
