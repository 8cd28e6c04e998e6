// What a Ghost module does after its convolution, as one pass over memory.
//
// Normalisation, activation and depthwise convolution never mix channels, so a channel is carried through all of them while
// it lies in the cache:
//
//     x --[norm 1]--[act.]--+------------------------------------> first maps of the output ("intrinsic")
//                           |
//                           +--[depthwise]--[norm 2]--[act.]-----> the maps after them ("ghosts")
//
// Each bracket can be left out, and so can either branch: the same pass is a depthwise convolution with BatchNorm, or
// BatchNorm with an activation alone. In Ghost-VGG and Ghost-ResNet one BatchNorm follows both branches ("joint"): the depthwise
// convolution then takes x as it is. Arrays are float32, (N, C, H, W). MindSpore calls the functions at the end; which
// inputs they take, in which order, is written in fused.py, their one caller.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

// The modes of a normalisation (none; by given mean and variance; by those of this batch), the activations, and the options
// of a pass, which Python sends as the floats of one array. Here alone C++ has their names and order; options.py explains
// them, and loads no library that has others.
#define MODES NONE, GIVEN, BATCH
#define ACTIVATIONS LINEAR, RELU, RELU6, HSWISH
#define OPTIONS mode1, mode2, stride, activation, keep, joint, ghosts, eps, momentum

#define QUOTED(...) #__VA_ARGS__
#define NAMES(list) QUOTED(list)  // "list" spelled out: "NONE, GIVEN, BATCH"

extern "C" const char* pass_modes() { return NAMES(MODES); }
extern "C" const char* pass_activations() { return NAMES(ACTIVATIONS); }
extern "C" const char* pass_options() { return NAMES(OPTIONS); }

namespace {

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
float* scratch(int which, int64_t size) {
  static thread_local std::vector<float> kept[4];
  if (int64_t(kept[which].size()) < size) kept[which].resize(size);
  return kept[which].data();
}

enum Mode { MODES };
enum Activation { ACTIVATIONS };

struct Options {
  float OPTIONS;

  explicit Options(const float* sent) { std::memcpy(this, sent, sizeof *this); }
};

struct Pass {
  int64_t images, maps, height, width;  // of x
  int64_t ghosts, per_map, kernel, out_height, out_width;
  int norm1, norm2, stride, activation;
  bool keep, joint;  // keep: the upper branch is there
  float epsilon;

  Pass(const int64_t* x, const int64_t* weight, const Options& o)
      : images(x[0]), maps(x[1]), height(x[2]), width(x[3]), ghosts(int64_t(o.ghosts)), norm1(int(o.mode1)),
        norm2(int(o.mode2)), stride(int(o.stride)), activation(int(o.activation)), keep(o.keep != 0),
        joint(o.joint != 0), epsilon(o.eps) {
    kernel = ghosts ? weight[3] : 1;
    per_map = ghosts ? weight[0] / maps : 0;
    out_height = (height - 1) / stride + 1;
    out_width = (width - 1) / stride + 1;
  }
  int64_t plane() const { return height * width; }
  int64_t out_plane() const { return out_height * out_width; }
  int64_t out_channels() const { return first_ghost() + ghosts; }
  int64_t first_ghost() const { return keep ? maps : 0; }
  int64_t begin(int64_t map) const { return std::min(map * per_map, ghosts); }  // of this map's ghosts
  // A padded plane lies row after row, so that a shift by (row, column) is one offset and a whole plane is one loop.
  int64_t pitch() const { return width + kernel - 1; }
  int64_t padded() const { return (height + kernel - 1) * pitch() + kernel; }
};

// Numbers that a processor with AVX-512 holds in one register; for others the compiler uses several.
constexpr int LANES = 16;
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));

Lanes load(const float* at) {
  Lanes lanes;
  std::memcpy(&lanes, at, sizeof lanes);
  return lanes;
}

// Not max() and min(): a NaN must stay one.
float clamp(float v, float low, float high) { return v < low ? low : v > high ? high : v; }

template <int A>
float activate(float v) {
  if constexpr (A == RELU) return v < 0 ? 0.f : v;
  if constexpr (A == RELU6) return clamp(v, 0, 6);
  if constexpr (A == HSWISH) return v * clamp(v + 3, 0, 6) * (1 / 6.f);
  return v;
}

// Calls f with the activation as a type, so that each gets loops of its own: one loop for all, with both bounds of a clamp,
// made a step of GhostNet an eighth longer.
template <class F>
void with_activation(int activation, F f) {
  switch (activation) {
    case RELU: return f(std::integral_constant<int, RELU>());
    case RELU6: return f(std::integral_constant<int, RELU6>());
    case HSWISH: return f(std::integral_constant<int, HSWISH>());
    default: return f(std::integral_constant<int, LINEAR>());
  }
}

// An affine map and the activation after it.
struct Affine {
  float scale = 1, shift = 0;
  int activation = LINEAR;
};

struct Moments { float mean, variance; };

// Mean and biased variance of one channel over all images, in two passes: it is in the cache by the second.
Moments moments(const float* x, int64_t images, int64_t step, int64_t plane) {
  double sum = 0, squares = 0;
  for (int64_t n = 0; n < images; n++) {
    const float* p = x + n * step;
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < plane; i++) s += p[i];
    sum += s;
  }
  float mean = float(sum / (images * plane));
  for (int64_t n = 0; n < images; n++) {
    const float* p = x + n * step;
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < plane; i++) s += (p[i] - mean) * (p[i] - mean);
    squares += s;
  }
  return {mean, float(squares / (images * plane))};
}

void apply(const Affine& f, const float* x, float* y, int64_t count) {
  with_activation(f.activation, [&](auto a) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) y[i] = activate<a>(x[i] * f.scale + f.shift);
  });
}

// Writes a plane into the middle of a padded one, zeros around it, its values `stride` apart.
template <class F>
void pad(const Pass& p, int64_t rows, int64_t columns, int64_t stride, float* padded, F value) {
  const int64_t half = p.kernel / 2, pitch = p.pitch();
  std::memset(padded, 0, p.padded() * sizeof(float));
  for (int64_t r = 0; r < rows; r++) {
    float* line = padded + (r * stride + half) * pitch + half;
    if (stride == 1) {
#pragma omp simd
      for (int64_t c = 0; c < columns; c++) line[c] = value(r * columns + c);
    } else {
      for (int64_t c = 0; c < columns; c++) line[c * stride] = value(r * columns + c);
    }
  }
}

// The same with what an affine map and its activation make of a plane of x.
void pad(const Pass& p, const Affine& f, const float* x, float* padded) {
  with_activation(f.activation, [&](auto a) {
    pad(p, p.height, p.width, 1, padded, [&](int64_t q) { return activate<a>(x[q] * f.scale + f.shift); });
  });
}

// y[i] = sum over the kernel of weight * padded[i + shift], for `count` places in a row.
template <int K>
void correlate(const float* padded, int64_t pitch, const float* weight, float* y, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) {
    float sum = 0;
    for (int r = 0; r < K; r++)
      for (int c = 0; c < K; c++) sum += weight[r * K + c] * padded[i + r * pitch + c];
    y[i] = sum;
  }
}

// One depthwise convolution: padded plane to (out_height, out_width). `rows` is scratch of a padded plane.
template <int K>
void depthwise(const Pass& p, const float* padded, const float* weight, float* y, float* rows) {
  int64_t pitch = p.pitch();
  if (p.stride == 1) {
    correlate<K>(padded, pitch, weight, rows, p.height * pitch - (K - 1));
    for (int64_t r = 0; r < p.height; r++) std::memcpy(y + r * p.width, rows + r * pitch, p.width * sizeof(float));
    return;
  }
  for (int64_t r = 0; r < p.out_height; r++) {
    correlate<K>(padded + r * p.stride * pitch, pitch, weight, rows, p.width);
    for (int64_t c = 0; c < p.out_width; c++) y[r * p.out_width + c] = rows[c * p.stride];
  }
}

// Both gradients of a depthwise convolution. `spread` is a padded plane of the output's gradient, its values `stride`
// apart. Adds to `weight_gradient`; writes the input's gradient, with pitch, to `rows`.
template <int K>
void depthwise_gradient(const Pass& p, const float* padded, const float* spread, const float* weight,
                        double* weight_gradient, float* rows) {
  int64_t pitch = p.pitch(), half = K / 2, count = p.height * pitch - (K - 1);
  float turned[K * K];
  std::reverse_copy(weight, weight + K * K, turned);
  correlate<K>(spread, pitch, turned, rows, count);
  const float* g = spread + half * pitch + half;
  for (int r = 0; r < K; r++) {
    const float* z = padded + r * pitch;
    Lanes sums[K] = {};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
      for (int c = 0; c < K; c++) sums[c] += load(g + i) * load(z + i + c);
    for (int c = 0; c < K; c++) {
      float rest = 0;
      for (int64_t q = i; q < count; q++) rest += g[q] * z[q + c];
      for (int lane = 0; lane < LANES; lane++) rest += sums[c][lane];
      weight_gradient[r * K + c] += rest;
    }
  }
}

// What belongs to one normalisation: arrays over its channels. `mean` and `variance` are those used, kept for the
// gradient and for `pass_statistics`; the moving ones are read in GIVEN mode only. No input is ever written to.
struct Channels {
  const float *gamma, *beta, *moving_mean, *moving_variance;
  float *mean, *variance;
};

Affine given(const Channels& c, int64_t i, float epsilon) {
  float scale = c.gamma[i] / std::sqrt(c.variance[i] + epsilon);
  return {scale, c.beta[i] - c.mean[i] * scale};
}

// The affine map of channel i's normalisation; in BATCH mode by its moments, which are computed here.
Affine normalise(const Pass& p, int norm, const float* x, int64_t step, int64_t plane, const Channels& c, int64_t i) {
  if (norm == NONE) return {};
  Moments m = norm == BATCH ? moments(x, p.images, step, plane) : Moments{c.moving_mean[i], c.moving_variance[i]};
  c.mean[i] = m.mean, c.variance[i] = m.variance;
  return given(c, i, p.epsilon);
}

struct Forward {
  const float *x, *weight;
  Channels first, second;
  float* out;
};

template <int K>
void forward(const Pass& p, const Forward& f, int64_t i) {
  const int64_t step = p.maps * p.plane(), out_step = p.out_channels() * p.out_plane();
  const float* x = f.x + i * p.plane();
  Affine first = normalise(p, p.norm1, x, step, p.plane(), f.first, i);
  first.activation = p.keep ? p.activation : LINEAR;
  const Affine source = p.joint ? Affine() : first;
  float *padded = scratch(0, p.padded()), *rows = scratch(1, p.padded());
  for (int64_t n = 0; n < p.images; n++) {
    const float* xn = x + n * step;
    if (p.keep) apply(first, xn, f.out + n * out_step + i * p.plane(), p.plane());
    if (p.begin(i) == p.begin(i + 1)) continue;
    pad(p, source, xn, padded);
    for (int64_t j = p.begin(i); j < p.begin(i + 1); j++) {
      float* y = f.out + n * out_step + (p.first_ghost() + j) * p.out_plane();
      depthwise<K>(p, padded, f.weight + j * K * K, y, rows);
      if (p.norm2 == BATCH) continue;  // its moments are known after the last image only
      Affine second = normalise(p, p.norm2, nullptr, 0, 0, f.second, j);
      second.activation = p.activation;
      if (p.norm2 == GIVEN || p.activation != LINEAR) apply(second, y, y, p.out_plane());
    }
  }
  for (int64_t j = p.begin(i); p.norm2 == BATCH && j < p.begin(i + 1); j++) {
    float* y = f.out + (p.first_ghost() + j) * p.out_plane();
    Affine second = normalise(p, BATCH, y, out_step, p.out_plane(), f.second, j);
    second.activation = p.activation;
    for (int64_t n = 0; n < p.images; n++) apply(second, y + n * out_step, y + n * out_step, p.out_plane());
  }
}

// The gradient of one channel's normalisation and of the activation after it. First every plane goes through `add`, then
// `close` is called, then the gradient for each x is known.
class NormGradient {
 public:
  NormGradient(int norm, int activation, const Channels& c, int64_t i, float epsilon)
      : norm_(norm), activation_(activation) {
    if (norm == NONE) return;
    mean_ = c.mean[i];
    inverse_ = 1 / std::sqrt(c.variance[i] + epsilon);
    scale_ = c.gamma[i] * inverse_;
    shift_ = c.beta[i] - mean_ * scale_;
  }
  bool trivial() const { return norm_ == NONE && activation_ == LINEAR; }

  // Takes a plane's gradient through the activation, and sums it.
  void add(const float* x, float* gradient, int64_t count) {
    if (activation_ == HSWISH) {
#pragma omp simd
      for (int64_t q = 0; q < count; q++) {
        const float v = x[q] * scale_ + shift_, slope = v >= 3 ? 1.f : (2 * v + 3) * (1 / 6.f);
        gradient[q] = v <= -3 ? 0.f : gradient[q] * slope;
      }
    } else if (activation_ == RELU6) {
#pragma omp simd
      for (int64_t q = 0; q < count; q++) {
        const float v = x[q] * scale_ + shift_;
        gradient[q] = v <= 0 || v >= 6 ? 0.f : gradient[q];
      }
    } else if (activation_ == RELU) {
#pragma omp simd
      for (int64_t q = 0; q < count; q++) gradient[q] = x[q] * scale_ + shift_ <= 0 ? 0.f : gradient[q];
    }
    if (norm_ == NONE) return;
    float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
    for (int64_t q = 0; q < count; q++) {
      sum += gradient[q];
      product += gradient[q] * (x[q] - mean_);
    }
    sums_ += sum;
    products_ += product * inverse_;
  }
  void close(int64_t count, float* dgamma, float* dbeta) {
    if (norm_ == NONE) return;
    *dgamma = float(products_), *dbeta = float(sums_);
    if (norm_ != BATCH) return;  // given moments do not depend on x
    sum_ = float(sums_ / count);
    product_ = float(products_ / count) * inverse_;
  }
  float operator()(float x, float gradient) const { return scale_ * (gradient - sum_ - (x - mean_) * product_); }

 private:
  int norm_, activation_;
  float mean_ = 0, inverse_ = 1, scale_ = 1, shift_ = 0, sum_ = 0, product_ = 0;
  double sums_ = 0, products_ = 0;
};

struct Backward {
  const float *x, *weight, *gradient;
  Channels first, second;
  float *dx, *dweight, *dgamma1, *dbeta1, *dgamma2, *dbeta2;
};

template <int K>
void backward(const Pass& p, const Backward& b, int64_t i) {
  const int64_t step = p.maps * p.plane(), out_step = p.out_channels() * p.out_plane(), begin = p.begin(i),
                end = p.begin(i + 1);
  const float* x = b.x + i * p.plane();
  float* dx = b.dx + i * p.plane();
  NormGradient first(p.norm1, p.keep ? p.activation : LINEAR, b.first, i, p.epsilon);
  // From the gradient of what comes before the depthwise branch to that of x, in place.
  auto through_first = [&] {
    if (first.trivial()) return;
    for (int64_t n = 0; n < p.images; n++) first.add(x + n * step, dx + n * step, p.plane());
    first.close(p.images * p.plane(), b.dgamma1 + i, b.dbeta1 + i);
    for (int64_t n = 0; p.norm1 != NONE && n < p.images; n++) {
      const float* xn = x + n * step;
      float* dxn = dx + n * step;
#pragma omp simd
      for (int64_t q = 0; q < p.plane(); q++) dxn[q] = first(xn[q], dxn[q]);
    }
  };

  for (int64_t n = 0; n < p.images; n++) {
    if (p.keep)
      std::memcpy(dx + n * step, b.gradient + n * out_step + i * p.plane(), p.plane() * sizeof(float));
    else
      std::memset(dx + n * step, 0, p.plane() * sizeof(float));
  }
  if (p.joint) through_first();

  const int64_t size = p.padded(), pitch = p.pitch();
  float* padded = scratch(0, begin < end ? p.images * size : 0);
  if (begin < end) {
    Affine source;
    if (!p.joint && p.norm1 != NONE) source = given(b.first, i, p.epsilon);
    source.activation = !p.joint && p.keep ? p.activation : LINEAR;
    for (int64_t n = 0; n < p.images; n++) {
      const float* xn = x + n * step;
      pad(p, source, xn, padded + n * size);
    }
  }
  for (int64_t j = begin; j < end; j++) {
    const float *weight = b.weight + j * K * K, *gradient = b.gradient + (p.first_ghost() + j) * p.out_plane();
    float *rows = scratch(1, size), *spread = scratch(2, size),
          *y = scratch(3, 2 * p.images * p.out_plane()), *dy = y + p.images * p.out_plane();
    NormGradient second(p.norm2, p.activation, b.second, j, p.epsilon);
    for (int64_t n = 0; n < p.images; n++) {
      const int64_t at = n * p.out_plane();
      std::memcpy(dy + at, gradient + n * out_step, p.out_plane() * sizeof(float));
      if (second.trivial()) continue;
      depthwise<K>(p, padded + n * size, weight, y + at, rows);
      second.add(y + at, dy + at, p.out_plane());
    }
    second.close(p.images * p.out_plane(), b.dgamma2 + j, b.dbeta2 + j);

    double weight_gradient[K * K] = {};
    for (int64_t n = 0; n < p.images; n++) {
      const float *yn = y + n * p.out_plane(), *dyn = dy + n * p.out_plane();
      pad(p, p.out_height, p.out_width, p.stride, spread,
          [&](int64_t q) { return p.norm2 == NONE ? dyn[q] : second(yn[q], dyn[q]); });
      depthwise_gradient<K>(p, padded + n * size, spread, weight, weight_gradient, rows);
      for (int64_t r = 0; r < p.height; r++) {
        float* line = dx + n * step + r * p.width;
#pragma omp simd
        for (int64_t c = 0; c < p.width; c++) line[c] += rows[r * pitch + c];
      }
    }
    std::copy(weight_gradient, weight_gradient + K * K, b.dweight + j * K * K);
  }
  if (!p.joint) through_first();
}

template <class F>
int dispatch(int64_t kernel, F f) {
  switch (kernel) {
    case 1: f(std::integral_constant<int, 1>()); return 0;
    case 3: f(std::integral_constant<int, 3>()); return 0;
    case 5: f(std::integral_constant<int, 5>()); return 0;
    case 7: f(std::integral_constant<int, 7>()); return 0;
  }
  return 1;
}

}  // namespace

extern "C" void use_threads(int threads) { Pool::instance().grow(threads); }

extern "C" int pass_forward(int, void** a, int*, int64_t** shapes, const char**, void*, void*) {
  auto at = [&](int i) { return static_cast<float*>(a[i]); };
  Pass p(shapes[0], shapes[1], Options(at(10)));
  float* kept = at(12);
  Channels first{at(2), at(3), at(4), at(5), kept, kept + p.maps};
  Channels second{at(6), at(7), at(8), at(9), kept + 2 * p.maps, kept + 2 * p.maps + p.ghosts};
  if (p.joint) second = {at(2) + p.maps, at(3) + p.maps, at(4) + p.maps, at(5) + p.maps, second.mean, second.variance};
  float* counts = kept + 2 * (p.maps + p.ghosts);  // over how many numbers each moment went
  counts[0] = float(p.images * p.plane()), counts[1] = float(p.images * p.out_plane());
  Forward f{at(0), at(1), first, second, at(11)};
  return dispatch(p.kernel, [&](auto k) { Pool::instance().run(p.maps, [&](int64_t i) { forward<k>(p, f, i); }); });
}

// One array of moving statistics after a pass: from what the pass kept, the array as it was, the pass's options, and which
// one it is (0 and 1: mean and variance of norm 1; 2 and 3: of norm 2). A variance is mixed in as the unbiased one, as
// MindSpore's BatchNorm does; channels that the pass did not touch stay. With `joint` the ghosts' lie behind the maps'.
extern "C" int pass_statistics(int, void** a, int*, int64_t** shapes, const char**, void*, void*) {
  auto at = [&](int i) { return static_cast<float*>(a[i]); };
  const float *kept = at(0), *moving = at(1);
  const Options options(at(2));
  float* next = at(4);
  const int which = int(*at(3));
  const int64_t ghosts = int64_t(options.ghosts), maps = (shapes[0][0] - 2) / 2 - ghosts;
  std::copy_n(moving, shapes[1][0], next);
  auto mix = [&](bool second, float* to) {
    const int64_t channels = second ? ghosts : maps;
    const float* moments = kept + (second ? 2 * maps : 0) + (which % 2 ? channels : 0);
    const double count = kept[2 * (maps + ghosts) + second];
    const double unbiased = which % 2 ? count / std::max(count - 1, 1.) : 1;
    const int mode = int(second ? options.mode2 : options.mode1);
    for (int64_t i = 0; mode == BATCH && i < channels; i++)
      to[i] += (1 - options.momentum) * (float(moments[i] * unbiased) - to[i]);
  };
  mix(which > 1, next);
  if (options.joint != 0) mix(true, next + maps);
  return 0;
}

extern "C" int pass_backward(int, void** a, int*, int64_t** shapes, const char**, void*, void*) {
  auto at = [&](int i) { return static_cast<float*>(a[i]); };
  Pass p(shapes[0], shapes[1], Options(at(8)));
  float* kept = at(6);
  Channels first{at(2), at(3), nullptr, nullptr, kept, kept + p.maps};
  Channels second{at(4), at(5), nullptr, nullptr, kept + 2 * p.maps, kept + 2 * p.maps + p.ghosts};
  if (p.joint) second.gamma = at(2) + p.maps, second.beta = at(3) + p.maps;
  Backward b{at(0), at(1), at(7), first, second, at(9), at(10), at(11), at(12), at(13), at(14)};
  if (p.joint) b.dgamma2 = b.dgamma1 + p.maps, b.dbeta2 = b.dbeta1 + p.maps;
  // Where the ratio does not divide the channels, some kernels make maps that nobody uses: their gradient is zero.
  for (int64_t j = p.ghosts; j < p.per_map * p.maps; j++) {
    std::fill_n(b.dweight + j * p.kernel * p.kernel, p.kernel * p.kernel, 0.f);
    if (p.norm2 != NONE && !p.joint) b.dgamma2[j] = b.dbeta2[j] = 0;
  }
  return dispatch(p.kernel, [&](auto k) { Pool::instance().run(p.maps, [&](int64_t i) { backward<k>(p, b, i); }); });
}

namespace {

// Calls f(index of a plane, plane's size) for all planes of an array (N, C, H, W), the images shared out to threads.
template <class F>
int each_plane(const int64_t* shape, F f) {
  const int64_t channels = shape[1], plane = shape[2] * shape[3];
  Pool::instance().run(shape[0], [&](int64_t n) {
    for (int64_t i = n * channels; i < (n + 1) * channels; i++) f(i, plane);
  });
  return 0;
}

}  // namespace

// Squeeze: the mean of each plane of x (N, C, H, W), as (N, C, 1, 1), and its gradient.
extern "C" int mean_forward(int, void** a, int*, int64_t** shapes, const char**, void*, void*) {
  const float* x = static_cast<float*>(a[0]);
  float* y = static_cast<float*>(a[1]);
  return each_plane(shapes[0], [&](int64_t i, int64_t plane) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t q = 0; q < plane; q++) sum += x[i * plane + q];
    y[i] = sum / plane;
  });
}

extern "C" int mean_backward(int, void** a, int*, int64_t** shapes, const char**, void*, void*) {
  const float* gradient = static_cast<float*>(a[1]);  // a[0] is x, for its shape
  float* dx = static_cast<float*>(a[2]);
  return each_plane(shapes[0], [&](int64_t i, int64_t plane) {
    std::fill_n(dx + i * plane, plane, gradient[i] / plane);
  });
}

// Excite: each plane of x (N, C, H, W) times its gate (N, C, 1, 1), and the gradients of both.
extern "C" int gate_forward(int, void** a, int*, int64_t** shapes, const char**, void*, void*) {
  const float *x = static_cast<float*>(a[0]), *gate = static_cast<float*>(a[1]);
  float* y = static_cast<float*>(a[2]);
  return each_plane(shapes[0], [&](int64_t i, int64_t plane) {
    apply({gate[i], 0}, x + i * plane, y + i * plane, plane);
  });
}

extern "C" int gate_backward(int, void** a, int*, int64_t** shapes, const char**, void*, void*) {
  const float *x = static_cast<float*>(a[0]), *gate = static_cast<float*>(a[1]),
              *gradient = static_cast<float*>(a[2]);
  float *dx = static_cast<float*>(a[3]), *dgate = static_cast<float*>(a[4]);
  return each_plane(shapes[0], [&](int64_t i, int64_t plane) {
    const float *xi = x + i * plane, *gi = gradient + i * plane;
    apply({gate[i], 0}, gi, dx + i * plane, plane);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t q = 0; q < plane; q++) sum += gi[q] * xi[q];
    dgate[i] = sum;
  });
}

// Whether every number of all inputs is finite: 1 or 0 in the last parameter. As bits, for a compiler may assume that
// floating point is what it should be.
extern "C" int all_finite(int count, void** a, int* dims, int64_t** shapes, const char**, void*, void*) {
  std::atomic<int> good{1};
  Pool::instance().run(count - 1, [&](int64_t i) {
    int64_t size = 1;
    for (int d = 0; d < dims[i]; d++) size *= shapes[i][d];
    const auto* bits = static_cast<const uint32_t*>(a[i]);
    uint32_t bad = 0;
#pragma omp simd reduction(| : bad)
    for (int64_t q = 0; q < size; q++) bad |= (bits[q] & 0x7f800000u) == 0x7f800000u;
    if (bad) good = 0;
  });
  *static_cast<float*>(a[count - 1]) = float(good);
  return 0;
}
