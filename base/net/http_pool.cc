#include <boost/asio/executor_work_guard.hpp>
#include <deque>
#include <set>

#include "base/net/http.h"
#include "base/net/http_exchange.h"
#include "base/net/loop.h"

namespace bascule::net {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Stream = std::shared_ptr<ByteStream>;

// A request from when it is asked to its reply. On the loop's thread.
struct Job {
  Job(HttpRequest asked, HttpPool::Reply then, const asio::any_io_executor& executor)
      : request(std::move(asked)), reply(std::move(then)), deadline(executor) {}

  const HttpRequest request;
  HttpPool::Reply reply;  // empty once it was called
  Deadline deadline;
  Stream stream;  // that it is under way on
  bool sent = false;

  bool over() const { return !reply; }
  void answer(Result<HttpResponse> result) {
    deadline.cancel();
    if (const auto call = std::exchange(reply, nullptr)) call(std::move(result));
  }
};
using JobPointer = std::shared_ptr<Job>;

class TlsHttpPool final : public HttpPool {
 public:
  TlsHttpPool(PoolOptions options, HostPort to, std::shared_ptr<asio::ssl::context> tls)
      : options_(std::move(options)),
        to_(std::move(to)),
        tls_(std::move(tls)),
        work_(asio::make_work_guard(loop_->io())) {
    loop_->start();
  }
  ~TlsHttpPool() override {
    loop_->finish([this] { stop(); });
  }

  void request(HttpRequest request, Duration time, Reply reply) override;

 private:
  struct Kept {
    Stream stream;
    SteadyClock::time_point since;
  };

  void take(const JobPointer& job, Duration time);
  void serve();
  Stream reuse();
  void keep(const Stream& stream) { kept_.push_back({stream, SteadyClock::now()}); }
  void drop(const Stream& stream);
  void dial(const JobPointer& job);
  void dialled(const JobPointer& job, const Stream& stream, error_code error);
  void send(const JobPointer& job, const Stream& stream, bool fresh);
  void done(const JobPointer& job, Exchange& exchange);
  void expire(const JobPointer& job);
  void finish(const JobPointer& job, Result<HttpResponse> result);
  void stop();

  const PoolOptions options_;
  const HostPort to_;
  const std::shared_ptr<asio::ssl::context> tls_;
  const std::shared_ptr<Loop> loop_ = std::make_shared<Loop>();
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::set<JobPointer> jobs_;       // that have no reply yet
  std::deque<JobPointer> waiting_;  // those of them that wait for a connection
  std::set<Stream> open_;           // those being dialled too
  std::vector<Kept> kept_;          // those without a request, the latest last
  bool stopped_ = false;
};

void TlsHttpPool::request(HttpRequest request, Duration time, Reply reply) {
  if (!is_request(request))
    return reply(
        failure(ErrorCode::invalid, "\"" + request.method + " " + request.target + "\" is no HTTP request"));
  const auto job = std::make_shared<Job>(std::move(request), std::move(reply), loop_->io().get_executor());
  loop_->post([this, job, time] { take(job, time); });
}

void TlsHttpPool::take(const JobPointer& job, Duration time) {
  if (stopped_) return job->answer(failure(ErrorCode::unavailable, "the pool has ended"));
  if (waiting_.size() >= options_.waiting)
    return job->answer(
        failure(ErrorCode::exhausted, "too many requests wait for " + options_.client.address));
  jobs_.insert(job);
  job->deadline.set(time, [this, job] { expire(job); });
  waiting_.push_back(job);
  serve();
}

void TlsHttpPool::serve() {
  while (!waiting_.empty() && !stopped_) {
    const JobPointer job = waiting_.front();
    const Stream stream = job->over() ? nullptr : reuse();
    if (!job->over() && !stream && open_.size() >= options_.connections) return;
    waiting_.pop_front();
    if (job->over()) continue;
    if (stream)
      send(job, stream, false);
    else
      dial(job);
  }
}

// The one that was used last: the others may rest until they are too old.
Stream TlsHttpPool::reuse() {
  while (!kept_.empty()) {
    const Kept kept = kept_.back();
    kept_.pop_back();
    if (SteadyClock::now() - kept.since < kReuseFor && !kept.stream->has_input()) return kept.stream;
    drop(kept.stream);
  }
  return nullptr;
}

void TlsHttpPool::drop(const Stream& stream) {
  stream->close();
  open_.erase(stream);
}

void TlsHttpPool::dial(const JobPointer& job) {
  const auto stream = std::make_shared<ByteStream>(tcp::socket(loop_->io()), *tls_);
  open_.insert(stream);
  const auto limit = std::make_shared<Deadline>(loop_->io().get_executor());
  limit->set(options_.client.connect_time, [stream, limit] { stream->close(); });
  stream->connect(to_, {options_.client.expect_role, ""}, [this, job, stream, limit](error_code error) {
    limit->cancel();
    dialled(job, stream, error);
    serve();
  });
}

void TlsHttpPool::dialled(const JobPointer& job, const Stream& stream, error_code error) {
  if (error || stopped_) {
    finish(job, tl::unexpected(why_not_connected(options_.client, *stream, error)));
    return drop(stream);
  }
  if (job->over()) return keep(stream);
  send(job, stream, true);
}

void TlsHttpPool::send(const JobPointer& job, const Stream& stream, bool fresh) {
  job->stream = stream;
  job->sent = true;
  const auto exchange = std::make_shared<Exchange>(job->request, options_.client, stream, fresh);
  exchange->finished = [this, job, weak = std::weak_ptr<Exchange>(exchange)] {
    if (const auto ended = weak.lock()) done(job, *ended);
  };
  perform(exchange);
}

void TlsHttpPool::done(const JobPointer& job, Exchange& exchange) {
  job->stream.reset();
  if (exchange.error) {
    drop(exchange.stream);
    if (exchange.may_retry() && !job->over() && !stopped_)
      waiting_.push_front(job);
    else
      finish(job, tl::unexpected(exchange.why_failed(options_.client)));
    return serve();
  }
  if (exchange.keeps_connection())
    keep(exchange.stream);
  else
    drop(exchange.stream);
  finish(job, from_response(exchange.parser.release()));
  serve();
}

void TlsHttpPool::expire(const JobPointer& job) {
  if (job->stream) job->stream->close();  // done() follows
  const std::string& address = options_.client.address;
  if (job->sent)
    finish(job, failure(ErrorCode::unknown_outcome, address + " took the request but didn't answer in time"));
  else
    finish(job, failure(ErrorCode::timeout, "no connection to " + address + " was to be had in time"));
}

void TlsHttpPool::finish(const JobPointer& job, Result<HttpResponse> result) {
  jobs_.erase(job);
  job->answer(std::move(result));
}

void TlsHttpPool::stop() {
  stopped_ = true;
  work_.reset();
  kept_.clear();
  waiting_.clear();
  for (const Stream& stream : open_) stream->close();  // their handlers drop them
  for (const JobPointer& job : std::exchange(jobs_, {}))
    job->answer(failure(ErrorCode::unavailable, "the pool has ended"));
}

}  // namespace

Result<std::unique_ptr<HttpPool>> HttpPool::make(PoolOptions options) {
  auto to = split_address(options.client.address);
  if (!to) return failure(to.error());
  auto tls = make_tls_context(options.client.tls, Side::client);
  if (!tls) return failure(tls.error());
  return std::unique_ptr<HttpPool>(
      std::make_unique<TlsHttpPool>(std::move(options), *std::move(to), *std::move(tls)));
}

}  // namespace bascule::net
