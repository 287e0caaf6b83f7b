// Against a real mail relay (aiosmtpd) and a small SMS gateway, see notify_sink.py.
#include "cluster/notify.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "base/mailbox.h"
#include "child_process.h"
#include "cluster/fence_agents_program.h"
#include "cluster/notify_delivery.h"

using namespace bascule;
namespace fs = std::filesystem;

namespace {

constexpr const char* kPassword = "p:@ss word%";

class Sink {
 public:
  Sink() {
    std::string name = (fs::temp_directory_path() / "bascule-notify-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    write("password", std::string(kPassword) + "\n");
    make_certificate("cert.pem", "key.pem");
    make_certificate("other-cert.pem", "other-key.pem");
    start();
  }
  ~Sink() {
    ::close(input_);
    fs::remove_all(folder_);
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    fs::permissions(path(name), fs::perms(0600));
  }
  void erase(const std::string& name) const { fs::remove(path(name)); }

  // What the sink received as its n-th mail or SMS.
  json::Value received(const std::string& kind, int n) const {
    const std::string file = path(kind + "-" + std::to_string(n) + ".json");
    REQUIRE_MESSAGE(fs::exists(file), file);
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    const auto value = json::parse(text.str());
    REQUIRE(value.has_value());
    return *value;
  }
  bool has(const std::string& kind, int n) const {
    return fs::exists(path(kind + "-" + std::to_string(n) + ".json"));
  }

  MailRoute secure() const {
    MailRoute route;
    route.url = "smtp://localhost:" + std::to_string(ports_["secure"].get<int>());
    route.from = "bascule@example.org";
    route.to = {"ops@example.org"};
    route.user = "bascule";
    route.password_file = path("password");
    route.ca = path("cert.pem");
    return route;
  }
  MailRoute plain() const {
    MailRoute route;
    route.url = "smtp://localhost:" + std::to_string(ports_["plain"].get<int>());
    route.from = "bascule@example.org";
    route.to = {"ops@example.org"};
    route.tls = "none";
    return route;
  }
  SmsRoute sms() const {
    SmsRoute route;
    route.url = "http://127.0.0.1:" + std::to_string(ports_["sms"].get<int>()) +
                "/cgi-bin/sendsms?username={user}&password={password}&to={to}&text={text}";
    route.to = {"+33123456789"};
    route.user = "bascule";
    route.password_file = path("password");
    return route;
  }

 private:
  void make_certificate(const std::string& certificate, const std::string& key) const {
    const auto made = run_program(
        {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", path(key), "-out", path(certificate)},
        "", 60s, {});
    REQUIRE(made.has_value());
    REQUIRE_MESSAGE(made->exit_code == 0, made->errors);
  }

  void start() {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    REQUIRE(::pipe2(in.data(), O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out.data(), O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string script = std::string(BASCULE_SOURCE_DIR) + "/tests/unit/cluster/notify_sink.py";
    std::string folder = folder_.string();
    std::array<char*, 3> argv = {script.data(), folder.data(), nullptr};
    REQUIRE(::posix_spawn(&child_.pid, script.c_str(), &actions, nullptr, argv.data(), environ) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    std::string line;
    for (char c = 0; ::read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    ::close(out[0]);
    const auto ports = json::parse(line);
    REQUIRE_MESSAGE(ports.has_value(), "the sink needs python3-aiosmtpd");
    ports_ = *ports;
  }

  fs::path folder_;
  json::Value ports_;
  ChildProcess child_;
  int input_ = -1;
};

// A port that accepts connections and never says a word.
class Silence {
 public:
  Silence() : file_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(file_, generic, size) == 0);
    REQUIRE(::listen(file_, 10) == 0);
    REQUIRE(::getsockname(file_, generic, &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~Silence() { ::close(file_); }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  int port() const { return port_; }

 private:
  int file_;
  int port_ = 0;
};

Notice notice(const std::string& id) {
  return {NoticeId(id),
          IncidentId("i-1"),
          Severity::critical,
          "Hôte paris-1 perdu",
          "Première ligne\n.\nÀ faire : rien\n",
          "hôte perdu & 100 % [sûr]",
          {1'764'000'000'000}};
}

struct Report {
  std::optional<NoticeAccepted> accepted;
  std::optional<ChannelStatus> status;
};

class Reports {
 public:
  Courier::Callbacks callbacks() {
    return {[this](NoticeAccepted accepted) {
              CHECK(box_.put({accepted, std::nullopt}));
            },
            [this](ChannelStatus status) {
              CHECK(box_.put({std::nullopt, status}));
            }};
  }
  Report next() {
    const std::optional<Report> report = box_.take(60s);
    REQUIRE(report.has_value());
    return *report;
  }

 private:
  Mailbox<Report> box_{1000};
};

CourierConfig quick(std::vector<MailRoute> mail, std::vector<SmsRoute> sms) {
  CourierConfig config;
  config.cluster = "demo";
  config.mail = std::move(mail);
  config.sms = std::move(sms);
  config.first_retry = 50ms;
  config.last_retry = 400ms;
  return config;
}

}  // namespace

TEST_CASE("a mail arrives by STARTTLS and AUTH, whole") {
  const Sink sink;
  const Status sent = send_mail(sink.secure(), "demo", notice("n1"), {10s, {}});
  REQUIRE_MESSAGE(sent.has_value(), sent.error().message);
  const json::Value mail = sink.received("mail", 1);
  CHECK(mail["tls"] == true);
  CHECK(mail["authenticated"] == true);
  CHECK(mail["sender"] == "bascule@example.org");
  CHECK(mail["recipients"] == json::Value::array({"ops@example.org"}));
  CHECK(mail["subject"] == "Hôte paris-1 perdu");
  CHECK(mail["text"] == "Première ligne\n.\nÀ faire : rien\n");
  CHECK(mail["message_id"] == "<n1@demo>");

  SUBCASE("a repeat is the same message") {
    REQUIRE(send_mail(sink.secure(), "demo", notice("n1"), {10s, {}}).has_value());
    CHECK(sink.received("mail", 2)["raw"] == mail["raw"]);
  }
  SUBCASE("a wrong password is refused, and not shown") {
    sink.write("password", "guess\n");
    const Status refused = send_mail(sink.secure(), "demo", notice("n2"), {10s, {}});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("guess") == std::string::npos);
    CHECK_FALSE(sink.has("mail", 2));
  }
  SUBCASE("a relay with a foreign certificate gets nothing") {
    MailRoute route = sink.secure();
    route.ca = sink.path("other-cert.pem");
    CHECK_FALSE(send_mail(route, "demo", notice("n2"), {10s, {}}).has_value());
    CHECK_FALSE(sink.has("mail", 2));
  }
  SUBCASE("a relay without STARTTLS gets nothing, unless that is configured") {
    MailRoute route = sink.plain();
    route.tls = "required";
    const Status refused = send_mail(route, "demo", notice("n2"), {10s, {}});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("STARTTLS") != std::string::npos);
    CHECK_FALSE(sink.has("mail", 2));
    REQUIRE(send_mail(sink.plain(), "demo", notice("n2"), {10s, {}}).has_value());
    CHECK(sink.received("mail", 2)["tls"] == false);
  }
  SUBCASE("one refused recipient doesn't keep the others from knowing") {
    MailRoute route = sink.plain();
    route.to = {"left@example.org", "ops@example.org"};
    sink.write("refused", "left@example.org");
    const Status rest = send_mail(route, "demo", notice("n2"), {10s, {}});
    REQUIRE_MESSAGE(rest.has_value(), rest.error().message);
    CHECK(sink.received("mail", 2)["recipients"] == json::Value::array({"ops@example.org"}));
  }
  SUBCASE("a refused message is an error that says so") {
    sink.write("data-reply", "554 spam");
    const Status refused = send_mail(sink.plain(), "demo", notice("n2"), {10s, {}});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::invalid);
    CHECK(refused.error().message.find("554") != std::string::npos);
  }
  SUBCASE("a header can't be injected") {
    Notice evil = notice("n2");
    evil.subject = "x\r\nBcc: evil@example.org\r\n\r\nbody";
    REQUIRE(send_mail(sink.plain(), "demo", evil, {10s, {}}).has_value());
    const json::Value got = sink.received("mail", 2);
    CHECK(got["headers"].dump().find("Bcc") == std::string::npos);
    CHECK(got["subject"] == "x  Bcc: evil@example.org    body");
  }
}

TEST_CASE("an SMS arrives with its words") {
  const Sink sink;
  const Status sent = send_sms(sink.sms(), "+33123456789", notice("n1"), {10s, {}});
  REQUIRE_MESSAGE(sent.has_value(), sent.error().message);
  const json::Value sms = sink.received("sms", 1);
  CHECK(sms["to"] == "+33123456789");
  CHECK(sms["text"] == "hôte perdu & 100 % [sûr]");
  CHECK(sms["username"] == "bascule");
  CHECK(sms["password"] == kPassword);
  sink.write("http-status", "503");
  const Status refused = send_sms(sink.sms(), "+33123456789", notice("n1"), {10s, {}});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("503") != std::string::npos);
  CHECK(refused.error().message.find("p%3A") == std::string::npos);
}

TEST_CASE("a silent relay costs its timeout, no more") {
  const Silence silence;
  MailRoute route;
  route.url = "smtp://127.0.0.1:" + std::to_string(silence.port());
  route.from = "a@b";
  route.to = {"c@d"};
  const Status sent = send_mail(route, "demo", notice("n1"), {300ms, {}});
  REQUIRE_FALSE(sent.has_value());
  CHECK(sent.error().code == ErrorCode::timeout);
}

TEST_CASE("the second route is used when the first is dead, and SMS doesn't wait for mail") {
  const Sink sink;
  const Silence silence;
  MailRoute dead = sink.plain();
  dead.url = "smtp://127.0.0.1:" + std::to_string(silence.port());
  const SystemClock clock;
  Reports reports;
  CourierConfig config = quick({dead, sink.secure()}, {sink.sms()});
  config.timeout = 3s;
  config.last_retry = 60s;
  Courier courier(config, clock, reports.callbacks());
  const Notice first = notice("n1");
  CHECK(courier.wants(Channel::mail, first));
  REQUIRE(courier.deliver(Channel::mail, first).has_value());
  REQUIRE(courier.deliver(Channel::mail, first).has_value());  // twice the same is once
  REQUIRE(courier.deliver(Channel::sms, first).has_value());
  Report report = reports.next();
  REQUIRE(report.accepted.has_value());
  CHECK(report.accepted->channel == Channel::sms);
  report = reports.next();
  REQUIRE(report.accepted.has_value());
  CHECK(report.accepted->channel == Channel::mail);
  CHECK(report.accepted->route == 1);
  // The dead route is not waited for again.
  const Instant before = clock.now();
  REQUIRE(courier.deliver(Channel::mail, notice("n2")).has_value());
  CHECK(reports.next().accepted->id == NoticeId("n2"));
  CHECK(clock.now() - before < 3s);
  CHECK_FALSE(sink.has("mail", 3));
  CHECK(sink.has("sms", 1));
  CHECK_FALSE(sink.has("sms", 2));
}

TEST_CASE("a dead channel is told once, keeps everything, and delivers when it lives again") {
  const Sink sink;
  const SystemClock clock;
  Reports reports;
  sink.write("data-reply", "451 later");
  Courier courier(quick({sink.plain()}, {}), clock, reports.callbacks());
  CHECK_FALSE(courier.wants(Channel::sms, notice("n0")));
  CHECK(courier.deliver(Channel::sms, notice("n0")).error().code == ErrorCode::not_found);
  for (int i = 0; i < 5; ++i)
    REQUIRE(courier.deliver(Channel::mail, notice("n" + std::to_string(i))).has_value());
  const Report dead = reports.next();
  REQUIRE(dead.status.has_value());
  CHECK_FALSE(dead.status->alive);
  CHECK(dead.status->channel == Channel::mail);
  CHECK(dead.status->since.unix_ms > 0);
  CHECK(dead.status->error.message.find("451") != std::string::npos);
  sink.erase("data-reply");
  const Report alive = reports.next();
  REQUIRE(alive.status.has_value());
  CHECK(alive.status->alive);
  std::set<std::string> accepted;
  for (int i = 0; i < 5; ++i) {
    const Report report = reports.next();
    REQUIRE(report.accepted.has_value());
    accepted.insert(report.accepted->id.value);
  }
  CHECK(accepted.size() == 5);
  CHECK_FALSE(sink.has("mail", 6));
}

TEST_CASE("a retried SMS doesn't ring those who have it") {
  const Sink sink;
  const SystemClock clock;
  Reports reports;
  SmsRoute route = sink.sms();
  route.to = {"+33123456789", "+33199999999"};
  sink.write("refused", "+33199999999");
  Courier courier(quick({}, {route}), clock, reports.callbacks());
  REQUIRE(courier.deliver(Channel::sms, notice("n1")).has_value());
  CHECK_FALSE(reports.next().status->alive);
  sink.erase("refused");
  CHECK(reports.next().status->alive);
  CHECK(reports.next().accepted.has_value());
  CHECK(sink.received("sms", 1)["to"] == "+33123456789");
  CHECK(sink.received("sms", 2)["to"] == "+33199999999");
  CHECK_FALSE(sink.has("sms", 3));
}

TEST_CASE("killed between acceptance and record: the next life repeats it with the same Message-ID") {
  const Sink sink;
  const SystemClock clock;
  for (int life = 0; life < 2; ++life) {
    Reports reports;
    Courier courier(quick({sink.secure()}, {}), clock, reports.callbacks());
    REQUIRE(courier.deliver(Channel::mail, notice("n1")).has_value());
    CHECK(reports.next().accepted.has_value());
  }
  CHECK(sink.received("mail", 1)["message_id"] == sink.received("mail", 2)["message_id"]);
}

TEST_CASE("a full courier refuses, and a courier that goes away waits for no relay") {
  const Silence silence;
  const SystemClock clock;
  MailRoute route;
  route.url = "smtp://127.0.0.1:" + std::to_string(silence.port());
  route.from = "a@b";
  route.to = {"c@d"};
  Reports reports;
  CourierConfig config = quick({route}, {});
  config.capacity = 3;
  config.timeout = 300s;
  Courier courier(config, clock, reports.callbacks());
  bool refused = false;
  for (int i = 0; i < 10 && !refused; ++i) {
    const Status status = courier.deliver(Channel::mail, notice("n" + std::to_string(i)));
    refused = !status.has_value();
    if (refused) CHECK(status.error().code == ErrorCode::exhausted);
  }
  CHECK(refused);
}
