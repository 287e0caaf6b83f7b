// Workers: a few threads that run jobs; jobs of one key run one after the other, in the order they came.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace bascule::hostd {

class Workers {
 public:
  Workers(std::size_t threads, std::size_t capacity);
  ~Workers();  // finishes what runs, drops what waits

  // False when `capacity` jobs wait already.
  [[nodiscard]] bool submit(const std::string& key, std::function<void()> job);

 private:
  struct Job {
    std::string key;
    std::function<void()> work;
  };
  void run();
  std::deque<Job>::iterator next_job();

  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::set<std::string> running_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace bascule::hostd
