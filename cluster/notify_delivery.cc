#include "cluster/notify_delivery.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "base/log.h"

namespace bascule {
namespace {

constexpr std::size_t kMostAnswer = 4096;  // of a gateway; the rest is not read

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// One transfer. Every option that could make it wander (redirects, proxies of the environment, other
// protocols) is off.
class Transfer {
 public:
  Transfer(const Attempt& attempt, const char* protocols) : stop_(attempt.stop) {
    start_curl();
    handle_ = curl_easy_init();
    const long limit =
        static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(attempt.timeout).count());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, protocols);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_TIMEOUT_MS, limit);
    set(CURLOPT_CONNECTTIMEOUT_MS, limit);
    set(CURLOPT_ERRORBUFFER, words_.data());
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_answer);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_READFUNCTION, &Transfer::on_send);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    set(CURLOPT_XFERINFODATA, this);
  }
  ~Transfer() {
    curl_slist_free_all(recipients_);
    curl_easy_cleanup(handle_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  template <class T>
  void set(CURLoption option, T value) {
    if (handle_ != nullptr && curl_easy_setopt(handle_, option, value) != CURLE_OK) refused_ = true;
  }
  void set_text(CURLoption option, const std::string& value) {
    if (!value.empty()) set(option, value.c_str());
  }
  void add_recipient(const std::string& address) {
    recipients_ = curl_slist_append(recipients_, address.c_str());
    set(CURLOPT_MAIL_RCPT, recipients_);
  }
  void upload(std::string text) {
    text_ = std::move(text);
    sent_ = 0;
    set(CURLOPT_UPLOAD, 1L);
  }

  CURLcode run() {
    sent_ = 0;
    if (handle_ == nullptr || refused_) return CURLE_FAILED_INIT;
    const CURLcode code = curl_easy_perform(handle_);
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &response_);
    return code;
  }
  long response() const { return response_; }

  // `where` names the route without its password.
  Error error(CURLcode code, const std::string& where) const {
    const std::string said = words_[0] != '\0' ? words_.data() : curl_easy_strerror(code);
    if (stop_.stop_requested())
      return {ErrorCode::unavailable, where + " was cut off because the manager stops"};
    if (code == CURLE_OPERATION_TIMEDOUT) return {ErrorCode::timeout, where + " gave no answer in time"};
    if (code == CURLE_USE_SSL_FAILED)
      return {ErrorCode::unavailable, where + " offers no STARTTLS; enable it there, or set tls = \"none\""};
    const std::string answer = response_ > 0 ? " (answer " + std::to_string(response_) + ")" : "";
    return {response_ >= 500 && response_ < 600 ? ErrorCode::invalid : ErrorCode::unavailable,
            where + ": " + said + answer};
  }

 private:
  static std::size_t on_answer(char*, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.received_ += size * count;
    return transfer.received_ > kMostAnswer ? 0 : size * count;
  }
  static std::size_t on_send(char* buffer, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::size_t part = std::min(size * count, transfer.text_.size() - transfer.sent_);
    std::copy_n(transfer.text_.data() + transfer.sent_, part, buffer);
    transfer.sent_ += part;
    return part;
  }
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Transfer*>(self)->stop_.stop_requested() ? 1 : 0;
  }

  CURL* handle_ = nullptr;
  std::stop_token stop_;
  std::array<char, CURL_ERROR_SIZE> words_{};
  curl_slist* recipients_ = nullptr;
  std::string text_;
  std::size_t sent_ = 0;
  std::size_t received_ = 0;
  long response_ = 0;
  bool refused_ = false;
};

Result<Secret> password_of(const std::string& file) {
  if (file.empty()) return Secret();
  return read_secret_file(file);
}

// Scheme, host and port: what may be shown of a URL.
std::string shown(const std::string& url) {
  const std::size_t host = url.find("://") + 3;
  return url.substr(0, url.find_first_of("/?", host));
}

}  // namespace

Status send_mail(const MailRoute& route, const std::string& cluster, const Notice& notice,
                 const Attempt& attempt) {
  const std::string where = "mail relay " + shown(route.url);
  const Result<Secret> password = password_of(route.password_file);
  if (!password) return failure(password.error().within(where));
  Transfer transfer(attempt, "smtp,smtps");
  transfer.set_text(CURLOPT_URL, shown(route.url));
  transfer.set(CURLOPT_USE_SSL, static_cast<long>(route.tls == "none" ? CURLUSESSL_NONE : CURLUSESSL_ALL));
  transfer.set_text(CURLOPT_CAINFO, route.ca);
  transfer.set_text(CURLOPT_USERNAME, route.user);
  transfer.set_text(CURLOPT_PASSWORD, password->reveal());
  transfer.set_text(CURLOPT_MAIL_FROM, route.from);
  for (const std::string& to : route.to) transfer.add_recipient(to);
  for (const std::string& to : notice.also) transfer.add_recipient(to);
  transfer.upload(mail_message(route, cluster, notice));
  CURLcode code = transfer.run();
  if (code == CURLE_SEND_ERROR && transfer.response() >= 500 && route.to.size() + notice.also.size() > 1) {
    // One wrong address must not keep the others from knowing.
    transfer.set(CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
    code = transfer.run();
    if (code == CURLE_OK)
      log(LogLevel::warning, "notify", "recipients_refused", {{"relay", where}, {"notice", notice.id}});
  }
  if (code != CURLE_OK) return failure(transfer.error(code, where));
  return {};
}

Status send_sms(const SmsRoute& route, const std::string& number, const Notice& notice,
                const Attempt& attempt) {
  const std::string where = "SMS gateway " + shown(route.url);
  const Result<Secret> password = password_of(route.password_file);
  if (!password) return failure(password.error().within(where));
  Transfer transfer(attempt, "http,https");
  const Secret url(sms_url(route, password->reveal(), number, notice.sms_text));
  transfer.set_text(CURLOPT_URL, url.reveal());
  transfer.set_text(CURLOPT_CAINFO, route.ca);
  const CURLcode code = transfer.run();
  const bool accepted = transfer.response() >= 200 && transfer.response() < 300;
  // A long-winded answer was cut off by us; its status is there all the same.
  if (accepted && (code == CURLE_OK || code == CURLE_WRITE_ERROR)) return {};
  if (code != CURLE_OK && code != CURLE_WRITE_ERROR) return failure(transfer.error(code, where));
  return failure(ErrorCode::unavailable,
                 where + " refused: HTTP status " + std::to_string(transfer.response()));
}

}  // namespace bascule
