#include "hostd/session.h"

#include <algorithm>
#include <deque>
#include <thread>

#include "base/json.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/real_time.h"
#include "hostd/probe_pace.h"

namespace bascule::hostd {
namespace {

constexpr std::size_t kQueued = 4096;  // events of one connection, and news that wait for one
constexpr int kSessionPriority = 5;
constexpr Duration kDialTime = 3s;
constexpr Duration kWelcomeTime = 3s;
constexpr Duration kFirstBackoff = 100ms;
constexpr Duration kLongestBackoff = 1s;
constexpr Duration kFastestHeartbeat = 50ms;

// What the connection's own thread hands to the session's.
struct SocketEvent {
  enum Kind { opened, message, closed, news } kind = closed;
  std::shared_ptr<net::WebSocket> socket;
  std::string text;
};

}  // namespace

struct Session::Impl {
  Impl(SessionOptions given, const Clock& the_clock) : options(std::move(given)), clock(the_clock) {}

  const SessionOptions options;
  const Clock& clock;
  Agent* agent = nullptr;
  PeerProbe* probe = nullptr;
  Workers* workers = nullptr;
  Others others;
  Workers console_workers{2, 64};  // of their own: a start must not wait for somebody's console
  std::thread thread;

  // News: waits here until a session is welcome.
  std::mutex news_mutex;
  std::deque<wire::FromHost> news;
  std::shared_ptr<Mailbox<SocketEvent>> mailbox;  // of the present connection; the news rings it
  bool ending = false;

  // The session thread's own.
  std::shared_ptr<net::WebSocket> socket;
  bool welcome = false;
  std::uint64_t heartbeats = 0;
  Duration period = 1s;
  Instant last_heartbeat;
  Instant next_heartbeat;
  Instant next_probe;

  void run();
  bool converse(const std::string& manager);
  net::WebSocketEvents events_into(const std::shared_ptr<Mailbox<SocketEvent>>& box);
  bool handle(const SocketEvent& event, const std::string& manager);
  bool receive(const std::string& text, const std::string& manager);
  bool greet(const wire::Welcome& message);
  void dispatch(const wire::Command& command);
  void open_stream(const wire::OpenStream& order, const std::string& manager);
  bool send(const wire::FromHost& message);
  bool send_news();
  bool beat();
  void probe_peers();
  bool is_ending();
};

Session::Session(SessionOptions options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}

Session::~Session() {
  {
    const std::lock_guard lock(impl_->news_mutex);
    impl_->ending = true;
    if (impl_->mailbox) impl_->mailbox->close();
  }
  if (impl_->thread.joinable()) impl_->thread.join();
}

void Session::start(Agent& agent, PeerProbe& probe, Workers& workers, const Others& others) {
  impl_->agent = &agent;
  impl_->probe = &probe;
  impl_->workers = &workers;
  impl_->others = others;
  impl_->thread = std::thread([this] { impl_->run(); });
}

void Session::say(wire::FromHost message) {
  const std::lock_guard lock(impl_->news_mutex);
  if (impl_->news.size() >= kQueued) {
    // The next Hello tells the state again; only the causes are lost.
    log(LogLevel::error, "session", "news_lost", {{"queued", std::uint64_t{kQueued}}});
    impl_->news.pop_front();
  }
  impl_->news.push_back(std::move(message));
  if (impl_->mailbox && !impl_->mailbox->put({SocketEvent::news, nullptr, ""}))
    log(LogLevel::warning, "session", "mailbox_full");
}

bool Session::Impl::is_ending() {
  const std::lock_guard lock(news_mutex);
  return ending;
}

void Session::Impl::run() {
  (void)run_in_real_time(
      kSessionPriority);  // as the thread that answers probes, which says when it isn't allowed
  Duration backoff = kFirstBackoff;
  for (std::size_t turn = 0; !is_ending(); ++turn) {
    const bool was_welcome = converse(options.managers[turn % options.managers.size()]);
    backoff = was_welcome ? kFirstBackoff : std::min(backoff * 2, kLongestBackoff);
    Mailbox<SocketEvent> pause(1);
    const Instant until = clock.now() + backoff;
    while (!is_ending() && clock.now() < until) pause.take(std::min<Duration>(50ms, until - clock.now()));
  }
}

net::WebSocketEvents Session::Impl::events_into(const std::shared_ptr<Mailbox<SocketEvent>>& box) {
  net::WebSocketEvents events;
  events.on_open = [box](std::shared_ptr<net::WebSocket> opened) {
    if (!box->put({SocketEvent::opened, std::move(opened), ""})) box->close();
  };
  events.on_message = [box](const std::shared_ptr<net::WebSocket>& from, std::string text) {
    if (!box->put({SocketEvent::message, from, std::move(text)})) from->close();
  };
  events.on_close = [box](const std::shared_ptr<net::WebSocket>&, std::string why) {
    if (!box->put({SocketEvent::closed, nullptr, std::move(why)})) box->close();
  };
  return events;
}

// One connection, from dial to loss. True when it was welcomed.
bool Session::Impl::converse(const std::string& manager) {
  const auto box = std::make_shared<Mailbox<SocketEvent>>(kQueued);
  {
    const std::lock_guard lock(news_mutex);
    if (ending) return false;
    mailbox = box;
  }
  welcome = false;
  socket.reset();
  next_heartbeat = clock.now() + kDialTime + kWelcomeTime;  // until the Welcome: the time for it
  net::ClientOptions to;
  to.address = manager;
  to.tls = options.tls;
  to.connect_time = kDialTime;
  Result<std::unique_ptr<net::WebSocketClient>> client =
      net::WebSocketClient::dial(to, std::string(wire::kHostSessionPath), {}, events_into(box));
  bool alive = client.has_value();
  if (!alive)
    log(LogLevel::warning, "session", "dial_failed", {{"manager", manager}, {"why", client.error().message}});
  while (alive && !box->closed()) {
    const Instant due = welcome ? std::min(next_heartbeat, next_probe) : next_heartbeat;
    const std::optional<SocketEvent> event = box->take(std::max<Duration>(0s, due - clock.now()));
    // A heartbeat that is due comes before anything that waits.
    if (clock.now() >= next_heartbeat) alive = beat();
    if (alive && welcome && clock.now() >= next_probe) probe_peers();
    if (alive && event) alive = handle(*event, manager);
  }
  if (socket) socket->close();
  const std::lock_guard lock(news_mutex);
  mailbox.reset();
  return welcome;
}

bool Session::Impl::handle(const SocketEvent& event, const std::string& manager) {
  switch (event.kind) {
    case SocketEvent::opened:
      socket = event.socket;
      next_heartbeat = clock.now() + kWelcomeTime;
      return send(agent->hello());
    case SocketEvent::message:
      return receive(event.text, manager);
    case SocketEvent::news:
      return !welcome || send_news();
    case SocketEvent::closed:
      log(LogLevel::warning, "session", "closed", {{"manager", manager}, {"why", event.text}});
      return false;
  }
  return false;
}

bool Session::Impl::receive(const std::string& text, const std::string& manager) {
  const Result<wire::FromManager> message =
      json::decode_text<wire::FromManager>(text, json::Unknown::tolerate);
  if (!message) {
    log(LogLevel::error, "session", "not_understood",
        {{"manager", manager}, {"why", message.error().message}});
    return false;
  }
  if (const auto* greeting = std::get_if<wire::Welcome>(&*message)) return greet(*greeting);
  if (!welcome) {
    log(LogLevel::error, "session", "command_before_welcome", {{"manager", manager}});
    return false;
  }
  if (const auto* stream = std::get_if<wire::OpenStream>(&*message))
    open_stream(*stream, manager);
  else if (const auto* image = std::get_if<wire::ReceiveImage>(&*message))
    others.images ? others.images->receive(*image, manager) : void();
  else if (const auto* gone = std::get_if<wire::RemoveImage>(&*message))
    others.images ? others.images->remove(*gone) : void();
  else
    dispatch(std::get<wire::Command>(*message));
  return true;
}

bool Session::Impl::greet(const wire::Welcome& message) {
  if (const Status accepted = agent->acceptable(message); !accepted) {
    log(LogLevel::error, "session", "manager_refused",
        {{"manager", message.manager}, {"why", accepted.error().message}});
    return false;
  }
  log(LogLevel::info, "session", "welcome", {{"manager", message.manager}, {"term", message.term}});
  probe->set_peers(message.peers);
  agent->tell_hosts(message);
  period = std::max(message.heartbeat, kFastestHeartbeat);
  const bool first = !welcome;
  welcome = true;
  if (!first) return true;  // a later Welcome only brings other peers, another pace, or who is off
  for (const wire::HostFault& fault : agent->active_faults())
    if (!send(fault)) return false;
  return beat() && send_news();
}

void Session::Impl::dispatch(const wire::Command& command) {
  // Orders of volumes may wait long for the storage, and hold up no other order of their VM.
  const std::string vm = vm_of(command).value;
  const std::string queue = works_on_domain(command) ? vm : "volumes of " + vm;
  Agent* const obeying = agent;
  if (!workers->submit(queue, [obeying, command] { obeying->obey(command); }))
    agent->refuse(command, ErrorCode::exhausted, "this host has too many orders waiting; repeat later");
}

// Whoever waits for it is told by the manager when nothing comes.
void Session::Impl::open_stream(const wire::OpenStream& order, const std::string& manager) {
  if (!others.consoles) return;
  const auto open = [this, order, manager] { others.consoles->open(order, *agent, manager); };
  if (!console_workers.submit("console of " + order.vm.value, open))
    log(LogLevel::warning, "session", "console_not_opened",
        {{"vm", order.vm}, {"why", "too many orders wait"}});
}

bool Session::Impl::send(const wire::FromHost& message) {
  return socket && socket->send(json::encode_text(message));
}

bool Session::Impl::send_news() {
  while (true) {
    std::optional<wire::FromHost> message;
    {
      const std::lock_guard lock(news_mutex);
      if (news.empty()) return true;
      message = std::move(news.front());
      news.pop_front();
    }
    if (send(*message)) continue;
    const std::lock_guard lock(news_mutex);
    news.push_front(std::move(*message));
    return false;
  }
}

void Session::Impl::probe_peers() {
  probe->probe();
  const ProbePace pace = pace_of(probe->sightings(), period);
  next_probe = clock.now() + pace.ask;
  next_heartbeat = std::min(next_heartbeat, last_heartbeat + pace.tell);
}

bool Session::Impl::beat() {
  if (!welcome) {
    log(LogLevel::warning, "session", "no_welcome");
    return false;
  }
  last_heartbeat = clock.now();
  next_heartbeat = std::clamp(next_heartbeat + period, last_heartbeat, last_heartbeat + period);
  return send(wire::Heartbeat{++heartbeats, agent->clock(), agent->guard(), probe->sightings(),
                              agent->take_servers(), others.usage ? others.usage->take() : std::nullopt});
}

}  // namespace bascule::hostd
