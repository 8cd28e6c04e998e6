// Threads for the passes, and memory that they keep.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace {  // two builds in one process share nothing

// Threads that sleep between passes. OpenMP's would spin, beside MindSpore's that spin too, and cost more than they
// bring (docs/performance.md).
class Pool {
 public:
  static Pool& instance() {
    static Pool* pool = new Pool;  // never destroyed: its threads may outlive static objects
    return *pool;
  }

  // Adds sleeping threads until there are this many with the calling one; there are never fewer.
  void grow(int threads) {
    std::lock_guard<std::mutex> caller(callers_);
    for (; threads_ < threads; threads_++) std::thread([this, round = round_] { serve(round); }).detach();
  }

  // Calls job(0) ... job(count - 1), each once; returns when all are done.
  void run(int64_t count, const std::function<void(int64_t)>& job) {
    std::unique_lock<std::mutex> caller(callers_, std::try_to_lock);
    if (!caller || count < 2 || threads_ < 2) {  // the pool is at work for another operator
      for (int64_t i = 0; i < count; i++) job(i);
      return;
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job, count_ = count, next_ = 0, working_ = threads_ - 1, round_++;
    }
    wake_.notify_all();
    work();
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return working_ == 0; });
  }

 private:
  void work() {
    for (int64_t i; (i = next_++) < count_;) (*job_)(i);
  }
  void serve(uint64_t seen) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return round_ != seen; });
      seen = round_;
      lock.unlock();
      work();
      lock.lock();
      if (--working_ == 0) done_.notify_one();
    }
  }
  std::mutex callers_, mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int64_t)>* job_ = nullptr;
  std::atomic<int64_t> next_{0};
  int64_t count_ = 0;
  int threads_ = 1, working_ = 0;
  uint64_t round_ = 0;
};

// Memory that a thread keeps from pass to pass; its contents are whatever they were.
inline float* scratch(int which, int64_t size) {
  static thread_local std::vector<float> kept[5];
  if (int64_t(kept[which].size()) < size) kept[which].resize(size);
  return kept[which].data();
}

}  // namespace
