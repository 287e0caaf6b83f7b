#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "cluster/gsm7.h"
#include "cluster/notify_delivery.h"
#include "cluster/notify_texts.h"

using namespace bascule;

TEST_CASE("GSM 7-bit: counting, transliterating, cutting") {
  CHECK(gsm7::septets("abc") == 3);
  CHECK(gsm7::septets("é€[") == 5);
  CHECK(gsm7::transliterate("À l’hôte « ça » œuvre…") == "A l'hote \" ca \" oeuvre...");
  CHECK(gsm7::transliterate("a\r\n  b\t") == "a b");
  CHECK(gsm7::transliterate("日本 🙂") == "?? ?");
  CHECK(gsm7::transliterate("bad \xff\xc3 end \xe2\x82") == "bad ?? end ?");
  const std::string full(160, 'x');
  CHECK(gsm7::fit(full) == full);
  CHECK(gsm7::fit(full + "x") == std::string(158, 'x') + "..");
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "€";
  const std::string cut = gsm7::fit(wide);
  CHECK(gsm7::septets(cut) == 160);
  CHECK(cut.ends_with("€.."));
  CHECK(gsm7::fit("abc", 1).empty());
}

TEST_CASE("every notice in every language says what, where and what next within one SMS") {
  const NoticeFacts usual{"demo", "paris-1", "lyon", "web-1, web-2, db-1", 3, "BMC 198.18.1.111: no answer",
                          "4.2 s"};
  NoticeFacts vast = usual;
  for (int i = 0; i < 200; ++i) vast.vms += ", €{vm}-" + std::to_string(i);
  vast.detail = vast.vms;
  for (const auto& kind : enum_names(NoticeKind{}))
    for (const Language language : {Language::en, Language::fr}) {
      CAPTURE(kind.name);
      const Notice notice = compose(kind.value, language, usual);
      const bool by_sms = kind.value != NoticeKind::access_report;
      CHECK(notice.sms_text.empty() != by_sms);
      CHECK(gsm7::septets(notice.sms_text) <= 160);
      CHECK(gsm7::transliterate(notice.sms_text) == notice.sms_text);
      const char* next = language == Language::fr ? "A faire : " : "Next: ";
      CHECK_MESSAGE((!by_sms || notice.sms_text.find(next) != std::string::npos), notice.sms_text);
      CHECK_FALSE(notice.sms_text.ends_with(".."));
      CHECK(notice.subject.starts_with("[Bascule demo] "));
      CHECK(notice.subject.find('{') == std::string::npos);
      CHECK(notice.text.find('{') == std::string::npos);
      CHECK(notice.text.find(language == Language::fr ? "À faire : " : "Next: ") != std::string::npos);

      const Notice much = compose(kind.value, language, vast);
      CHECK(gsm7::septets(much.sms_text) <= 160);
      CHECK_MESSAGE((!by_sms || much.sms_text.find(next) != std::string::npos), much.sms_text);
      CHECK_FALSE(much.sms_text.ends_with(".."));
    }
  const Notice held = compose(NoticeKind::fencing_held, Language::en, usual);
  CHECK(held.sms_text.find("bascule host attest-down paris-1") != std::string::npos);
  CHECK(held.severity == Severity::critical);
}

TEST_CASE("one VM is not several") {
  NoticeFacts one{"demo", "paris-1", "lyon", "web-1", 1, "", ""};
  const auto subject = [&](NoticeKind kind, Language language) {
    return compose(kind, language, one).subject;
  };
  CHECK(subject(NoticeKind::vms_switched, Language::en) ==
        "[Bascule demo] 1 VM switched from paris-1 to lyon");
  CHECK(subject(NoticeKind::failback_done, Language::en) == "[Bascule demo] 1 VM is home at lyon");
  CHECK(subject(NoticeKind::vms_switched, Language::fr) ==
        "[Bascule demo] 1 VM basculée de paris-1 vers lyon");
  CHECK(compose(NoticeKind::vms_switched, Language::en, one).text.starts_with("1 VM of paris-1 was started"));
  for (const auto& kind : enum_names(NoticeKind{}))
    CHECK(compose(kind.value, Language::en, one).text.find("1 VMs") == std::string::npos);
  one.n = 3;
  CHECK(subject(NoticeKind::vms_switched, Language::en) ==
        "[Bascule demo] 3 VMs switched from paris-1 to lyon");
  CHECK(subject(NoticeKind::failback_done, Language::en) == "[Bascule demo] 3 VMs are home at lyon");
  CHECK(subject(NoticeKind::vm_restarted, Language::fr) == "[Bascule demo] 3 VM redémarrées sur paris-1");
}

namespace {
MailRoute route() {
  MailRoute mail;
  mail.url = "smtp://127.0.0.1:25";
  mail.from = "bascule@example.org";
  mail.to = {"ops@example.org", "boss@example.org"};
  return mail;
}

Notice notice() {
  return {NoticeId("n-17"), IncidentId("i-4"), Severity::critical, "Hôte perdu", "Ligne é = 1\n.\n", "", {0}};
}

// The names of the headers of a message, in order.
std::vector<std::string> header_names(const std::string& message) {
  std::istringstream lines(message.substr(0, message.find("\r\n\r\n")));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with(" ")) names.push_back(line.substr(0, line.find(':')));
  return names;
}
}  // namespace

TEST_CASE("a mail is the same bytes whenever it is made") {
  const std::string message = mail_message(route(), "demo", notice());
  CHECK(message == mail_message(route(), "demo", notice()));
  CHECK(message.find("Message-ID: <n-17@demo>\r\n") != std::string::npos);
  CHECK(message.find("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n") != std::string::npos);
  CHECK(message.find("Subject: =?UTF-8?B?SMO0dGUgcGVyZHU=?=\r\n") != std::string::npos);
  CHECK(message.find("References: <incident-i-4@demo>\r\n") != std::string::npos);
  CHECK(message.ends_with("\r\n\r\nLigne =C3=A9 =3D 1\r\n.\r\n"));
}

TEST_CASE("nothing in a notice can begin a header or a line of its own") {
  const std::vector<std::string> expected = header_names(mail_message(route(), "demo", notice()));
  Notice evil = notice();
  const std::string injection = "x\r\nBcc: evil@example.com\r\n\r\nbody\n\rX: y";
  evil.subject = injection;
  evil.id = NoticeId(injection);
  evil.incident = IncidentId(injection + ">");
  MailRoute bad = route();
  bad.from = injection;
  bad.to.push_back(injection);
  const std::string message = mail_message(bad, injection, evil);
  CHECK(header_names(message) == expected);
  evil.text = "a\rb\r\nc\0d";
  const std::string body = mail_message(route(), "demo", evil);
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '\n') CHECK(body[i - 1] == '\r');
    if (body[i] == '\r') CHECK(body[i + 1] == '\n');
  }
}

TEST_CASE("no line of a mail is too long, and no character is cut") {
  Notice lengthy = notice();
  lengthy.subject.clear();
  for (int i = 0; i < 100; ++i) lengthy.subject += "é€🙂 ";
  lengthy.text = lengthy.subject;
  std::istringstream lines(mail_message(route(), "demo", lengthy));
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 78);
}

TEST_CASE("an SMS URL is filled in once, percent-encoded") {
  SmsRoute sms;
  sms.url = "http://gw/cgi?username={user}&password={password}&to={to}&text={text}";
  sms.user = "a&b";
  CHECK(sms_url(sms, "{to}#", "+331", "é {user}\n") ==
        "http://gw/cgi?username=a%26b&password=%7Bto%7D%23&to=%2B331&text=%C3%A9%20%7Buser%7D%0A");
}

TEST_CASE("bad routes are named") {
  CHECK(problem_of(route()).empty());
  MailRoute mail = route();
  mail.url = "http://x";
  CHECK(problem_of(mail).starts_with("url"));
  mail = route();
  mail.to = {};
  CHECK(problem_of(mail).starts_with("to"));
  mail.to = {"a@b>\r\nRCPT TO:<c@d"};
  CHECK(problem_of(mail).starts_with("to"));
  mail = route();
  mail.tls = "maybe";
  CHECK(problem_of(mail).starts_with("tls"));
  mail.tls = "none";
  CHECK(problem_of(mail).empty());
  mail.user = "u";
  mail.password_file = "/p";
  CHECK(problem_of(mail).starts_with("tls"));
  SmsRoute sms;
  sms.url = "http://gw/?to={to}&text={text}";
  sms.to = {"+33123456789"};
  CHECK(problem_of(sms).empty());
  sms.to = {"+33 1"};
  CHECK(problem_of(sms).starts_with("to"));
  sms.to = {"+33123456789"};
  sms.url = "http://gw/?to={to}";
  CHECK(problem_of(sms) == "url: must hold {text}");
  sms.url = "ftp://gw/?to={to}&text={text}";
  CHECK(problem_of(sms).starts_with("url"));
}
