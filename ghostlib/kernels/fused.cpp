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
// BatchNorm with an activation alone. In Ghost-VGG and Ghost-ResNet one BatchNorm follows both branches ("joint"): the
// depthwise convolution then takes x as it is. Arrays are float32, (N, C, H, W). MindSpore calls the functions of this file;
// which inputs they take, in which order, is written in passes.py, their one caller.

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "norm.hpp"
#include "pass.hpp"
#include "pool.hpp"

#define QUOTED(...) #__VA_ARGS__
#define NAMES(list) QUOTED(list)  // "list" spelled out: "NONE, GIVEN, BATCH"

extern "C" const char* pass_modes() { return NAMES(MODES); }
extern "C" const char* pass_activations() { return NAMES(ACTIVATIONS); }
extern "C" const char* pass_options() { return NAMES(OPTIONS); }

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
  return dispatch(p, [&](auto r, auto c, auto s) {
    each_block(p, block(p, 4), [&](int64_t from, int64_t to) { forward<r, c, s>(p, f, from, to); });
  });
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
    std::fill_n(b.dweight + j * p.kernel_size(), p.kernel_size(), 0.f);
    if (p.norm2 != NONE && !p.joint) b.dgamma2[j] = b.dbeta2[j] = 0;
  }
  return dispatch(p, [&](auto r, auto c, auto s) {
    each_block(p, block(p, 8), [&](int64_t from, int64_t to) { backward<r, c, s>(p, b, from, to); });
  });
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

namespace {

// One plane of a gate (h, w) as its pixels stand in for a plane (H, W): row by row, each pixel repeated.
struct Enlarged {
  int64_t height, width, rows, columns;  // of the plane and of the gate

  Enlarged(const int64_t* x, const int64_t* gate) : height(x[2]), width(x[3]), rows(gate[2]), columns(gate[3]) {}

  bool one() const { return rows * columns == 1; }
  int64_t row(int64_t r) const { return r * rows / height; }
  int64_t column(int64_t c) const { return c * columns / width; }
  void expand(const float* gate, int64_t r, float* line) const {
    for (int64_t c = 0; c < width; c++) line[c] = gate[row(r) * columns + column(c)];
  }
};

}  // namespace

// Excite: each plane of x (N, C, H, W) times its gate (N, C, h, w), whose pixels are repeated, and the gradients of both.
extern "C" int gate_forward(int, void** a, int*, int64_t** shapes, const char**, void*, void*) {
  const float *x = static_cast<float*>(a[0]), *gate = static_cast<float*>(a[1]);
  float* y = static_cast<float*>(a[2]);
  const Enlarged e(shapes[0], shapes[1]);
  return each_plane(shapes[0], [&](int64_t i, int64_t plane) {
    if (e.one()) return apply({gate[i], 0}, x + i * plane, y + i * plane, plane);
    float* line = scratch(0, e.width);
    for (int64_t r = 0; r < e.height; r++) {
      const int64_t from = i * plane + r * e.width;
      if (r == 0 || e.row(r) != e.row(r - 1)) e.expand(gate + i * e.rows * e.columns, r, line);
#pragma omp simd
      for (int64_t c = 0; c < e.width; c++) y[from + c] = x[from + c] * line[c];
    }
  });
}

extern "C" int gate_backward(int, void** a, int*, int64_t** shapes, const char**, void*, void*) {
  const float *x = static_cast<float*>(a[0]), *gate = static_cast<float*>(a[1]),
              *gradient = static_cast<float*>(a[2]);
  float *dx = static_cast<float*>(a[3]), *dgate = static_cast<float*>(a[4]);
  const Enlarged e(shapes[0], shapes[1]);
  return each_plane(shapes[0], [&](int64_t i, int64_t plane) {
    if (e.one()) {
      const float *xi = x + i * plane, *gi = gradient + i * plane;
      apply({gate[i], 0}, gi, dx + i * plane, plane);
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t q = 0; q < plane; q++) sum += gi[q] * xi[q];
      dgate[i] = sum;
      return;
    }
    const float* own = gate + i * e.rows * e.columns;
    float *line = scratch(0, e.width), *sums = scratch(1, e.width), *down = dgate + i * e.rows * e.columns;
    std::fill_n(down, e.rows * e.columns, 0.f);
    for (int64_t r = 0; r < e.height; r++) {
      const int64_t from = i * plane + r * e.width;
      if (r == 0 || e.row(r) != e.row(r - 1)) {
        e.expand(own, r, line);
        std::fill_n(sums, e.width, 0.f);
      }
#pragma omp simd
      for (int64_t c = 0; c < e.width; c++) {
        dx[from + c] = gradient[from + c] * line[c];
        sums[c] += gradient[from + c] * x[from + c];
      }
      if (r + 1 == e.height || e.row(r + 1) != e.row(r))  // the last row that this row of the gate stands for
        for (int64_t c = 0; c < e.width; c++) down[e.row(r) * e.columns + e.column(c)] += sums[c];
    }
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
