// One pass over memory, forwards and backwards: see fused.cpp for what it computes.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "depthwise.hpp"
#include "norm.hpp"
#include "pool.hpp"

namespace {  // two builds in one process share nothing

// The options of a pass, which Python sends as the floats of one array. Here alone C++ has their names and order;
// options.py explains them, and loads no library that has others.
#define OPTIONS mode1, mode2, stride, activation, keep, joint, ghosts, eps, momentum

constexpr int64_t BLOCK = 800'000;  // bytes, most of a core's second-level cache; half and a quarter were slower

struct Options {
  float OPTIONS;

  explicit Options(const float* sent) { std::memcpy(this, sent, sizeof *this); }
};

struct Pass {
  int64_t images, maps, height, width;  // of x
  int64_t ghosts, per_map, kernel_height, kernel_width, out_height, out_width;
  int norm1, norm2, stride, activation;
  bool keep, joint;  // keep: the upper branch is there
  float epsilon;

  Pass(const int64_t* x, const int64_t* weight, const Options& o)
      : images(x[0]), maps(x[1]), height(x[2]), width(x[3]), ghosts(int64_t(o.ghosts)), norm1(int(o.mode1)),
        norm2(int(o.mode2)), stride(int(o.stride)), activation(int(o.activation)), keep(o.keep != 0),
        joint(o.joint != 0), epsilon(o.eps) {
    kernel_height = ghosts ? weight[2] : 1;
    kernel_width = ghosts ? weight[3] : 1;
    per_map = ghosts ? weight[0] / maps : 0;
    out_height = (height - 1) / stride + 1;
    out_width = (width - 1) / stride + 1;
  }
  int64_t plane() const { return height * width; }
  int64_t out_plane() const { return out_height * out_width; }
  int64_t step() const { return maps * plane(); }  // from an image to the next one
  int64_t out_step() const { return (first_ghost() + ghosts) * out_plane(); }
  int64_t kernel_size() const { return kernel_height * kernel_width; }
  int64_t first_ghost() const { return keep ? maps : 0; }
  int64_t begin(int64_t map) const { return std::min(map * per_map, ghosts); }  // of this map's ghosts
  int first_activation() const { return keep ? activation : LINEAR; }
};

struct Forward {
  const float *x, *weight;
  Channels first, second;
  float* out;
};

// The channels [from, to) of x and their ghosts, all images. Channels of one image lie side by side in memory, so several
// small ones are taken at a time (`block`), image by image: one by one, each would be a walk over many pages.
template <int R, int C, int S>
void forward(const Pass& p, const Forward& f, int64_t from, int64_t to) {
  if (p.norm1 == BATCH) {
    std::vector<Moments> moments(to - from);
    for (int64_t n = 0; n < p.images; n++)
      for (int64_t i = from; i < to; i++) moments[i - from].add(f.x + n * p.step() + i * p.plane(), p.plane());
    for (int64_t i = from; i < to; i++) f.first.keep(i, moments[i - from].mean(), moments[i - from].variance());
  }
  std::vector<Affine> firsts(to - from);
  for (int64_t i = from; i < to; i++) firsts[i - from] = f.first.given(p.norm1, i, p.epsilon, p.first_activation());

  const Depthwise<R, C, S> depthwise(p.height, p.width);
  float *padded = scratch(0, depthwise.padded_size()), *spread = scratch(1, depthwise.spread_size()),
        *normed = scratch(2, p.plane());
  std::vector<Moments> moments(p.begin(to) - p.begin(from));
  for (int64_t n = 0; n < p.images; n++)
    for (int64_t i = from; i < to; i++) {
      const int64_t begin = p.begin(i), end = p.begin(i + 1);
      const float *x = f.x + n * p.step() + i * p.plane(), *source = x;  // source: what the depthwise convolution takes
      float* out = f.out + n * p.out_step();
      if (p.keep || (p.norm1 != NONE && begin < end)) {
        float* made = p.keep ? out + i * p.plane() : normed;
        apply(firsts[i - from], x, made, p.plane());
        if (!p.joint) source = made;
      }
      if (begin < end) depthwise.pad(source, padded);
      for (int64_t j = begin; j < end; j++) {
        float* y = out + (p.first_ghost() + j) * p.out_plane();
        depthwise.forward(padded, f.weight + j * depthwise.SIZE, spread);
        depthwise.gather(spread, y);
        if (p.norm2 == BATCH) {
          moments[j - p.begin(from)].add(y, p.out_plane());  // known after the last image only
          continue;
        }
        const Affine second = f.second.given(p.norm2, j, p.epsilon, p.activation);
        if (!second.trivial()) apply(second, y, y, p.out_plane());
      }
    }
  if (p.norm2 != BATCH) return;
  std::vector<Affine> seconds(moments.size());
  for (int64_t j = p.begin(from); j < p.begin(to); j++) {
    const Moments& m = moments[j - p.begin(from)];
    f.second.keep(j, m.mean(), m.variance());
    seconds[j - p.begin(from)] = f.second.affine(BATCH, j, p.epsilon, p.activation);
  }
  for (int64_t n = 0; n < p.images; n++)
    for (int64_t j = p.begin(from); j < p.begin(to); j++) {
      float* y = f.out + n * p.out_step() + (p.first_ghost() + j) * p.out_plane();
      apply(seconds[j - p.begin(from)], y, y, p.out_plane());
    }
}

struct Backward {
  const float *x, *weight, *gradient;
  Channels first, second;
  float *dx, *dweight, *dgamma1, *dbeta1, *dgamma2, *dbeta2;
};

template <int R, int C, int S>
void backward(const Pass& p, const Backward& b, int64_t from, int64_t to) {
  std::vector<NormGradient> firsts;
  for (int64_t i = from; i < to; i++) firsts.emplace_back(p.norm1, p.first_activation(), b.first, i, p.epsilon);
  auto x_of = [&](int64_t n, int64_t i) { return b.x + n * p.step() + i * p.plane(); };
  auto dx_of = [&](int64_t n, int64_t i) { return b.dx + n * p.step() + i * p.plane(); };
  auto upper = [&](int64_t n, int64_t i) { return p.keep ? b.gradient + n * p.out_step() + i * p.plane() : nullptr; };
  // What comes for the upper branch, or nothing, as the beginning of dx.
  auto take_upper = [&](int64_t n, int64_t i) {
    if (p.keep)
      std::memcpy(dx_of(n, i), upper(n, i), p.plane() * sizeof(float));
    else
      std::memset(dx_of(n, i), 0, p.plane() * sizeof(float));
  };
  // Once every plane of dx went through NormGradient::add: from the gradient of what the first normalisation puts out to
  // that of x.
  auto finish_first = [&] {
    for (int64_t i = from; i < to; i++) firsts[i - from].close(p.images * p.plane(), b.dgamma1 + i, b.dbeta1 + i);
    for (int64_t n = 0; p.norm1 != NONE && n < p.images; n++)
      for (int64_t i = from; i < to; i++) firsts[i - from].apply(x_of(n, i), dx_of(n, i), p.plane());
  };

  const int64_t begin = p.begin(from), end = p.begin(to);
  if (p.joint || begin == end) {  // nothing joins the upper branch's gradient before it goes through the normalisation
    for (int64_t n = 0; n < p.images; n++)
      for (int64_t i = from; i < to; i++) {
        take_upper(n, i);
        firsts[i - from].add(x_of(n, i), dx_of(n, i), p.plane());
      }
    finish_first();
  }
  if (begin == end) return;

  const Depthwise<R, C, S> depthwise(p.height, p.width);
  const int64_t padded_size = depthwise.padded_size(), size = depthwise.spread_size(), planes = p.images * (to - from);
  float *padded = scratch(0, planes * padded_size), *dpadded = scratch(1, padded_size), *normed = scratch(2, p.plane()),
        *y = scratch(3, planes * size), *dy = scratch(4, planes * size);
  std::vector<Affine> sources;
  for (int64_t i = from; i < to; i++)
    sources.push_back(b.first.affine(p.joint ? NONE : p.norm1, i, p.epsilon, p.joint ? LINEAR : p.first_activation()));
  auto place = [&](int64_t n, int64_t i) { return n * (to - from) + i - from; };
  for (int64_t n = 0; n < p.images; n++)
    for (int64_t i = from; i < to; i++) {
      const Affine& source = sources[i - from];
      if (!source.trivial()) apply(source, x_of(n, i), normed, p.plane());
      depthwise.pad(source.trivial() ? x_of(n, i) : normed, padded + place(n, i) * padded_size);
    }

  for (int64_t ghost = 0; ghost < p.per_map; ghost++) {  // of each map
    const int64_t last = std::min(to, (p.ghosts - ghost + p.per_map - 1) / p.per_map);  // maps that have this one
    auto j_of = [&](int64_t i) { return i * p.per_map + ghost; };
    std::vector<NormGradient> seconds;
    for (int64_t i = from; i < last; i++) seconds.emplace_back(p.norm2, p.activation, b.second, j_of(i), p.epsilon);
    for (int64_t n = 0; n < p.images; n++)
      for (int64_t i = from; i < last; i++) {
        float* yn = y + place(n, i) * size;
        float* dyn = depthwise.scatter(b.gradient + n * p.out_step() + (p.first_ghost() + j_of(i)) * p.out_plane(),
                                       dy + place(n, i) * size);
        if (seconds[i - from].trivial()) continue;
        depthwise.forward(padded + place(n, i) * padded_size, b.weight + j_of(i) * depthwise.SIZE, yn);
        seconds[i - from].add(yn, dyn, depthwise.spread);
      }
    for (int64_t i = from; i < last; i++)
      seconds[i - from].close(p.images * p.out_plane(), b.dgamma2 + j_of(i), b.dbeta2 + j_of(i));

    std::vector<double> dweight((to - from) * depthwise.SIZE);
    for (int64_t n = 0; n < p.images; n++)
      for (int64_t i = from; i < last; i++) {
        float *dyn = dy + place(n, i) * size + depthwise.lead, *dx = dx_of(n, i);
        if (p.norm2 != NONE) {
          seconds[i - from].apply(y + place(n, i) * size, dyn, depthwise.spread);
          depthwise.clear_gaps(dyn);
        }
        depthwise.weight_gradient(padded + place(n, i) * padded_size, dyn, &dweight[(i - from) * depthwise.SIZE]);
        depthwise.input_gradient(dyn, b.weight + j_of(i) * depthwise.SIZE, dpadded);
        depthwise.add_unpadded(dpadded, p.joint || ghost ? dx : upper(n, i), dx);
      }
    for (int64_t i = from; i < last; i++)
      std::copy_n(&dweight[(i - from) * depthwise.SIZE], depthwise.SIZE, b.dweight + j_of(i) * depthwise.SIZE);
  }
  if (p.joint) return;
  for (int64_t n = 0; n < p.images; n++)
    for (int64_t i = from; i < to; i++) {
      if (p.begin(i) == p.begin(i + 1)) take_upper(n, i);  // a map without ghosts among others
      firsts[i - from].add(x_of(n, i), dx_of(n, i), p.plane());
    }
  finish_first();
}

// How many channels are taken at a time: as many as stay in the cache with what belongs to them, `arrays` times their size,
// and few enough for threads to share the work evenly.
int64_t block(const Pass& p, int64_t arrays) {
  const int64_t each = arrays * p.images * p.plane() * int64_t(sizeof(float));
  return std::clamp<int64_t>(BLOCK / each, 1, std::max<int64_t>(p.maps / 8, 1));
}

// Calls f(from, to) for all channels, shared out to threads.
template <class F>
void each_block(const Pass& p, int64_t size, F f) {
  Pool::instance().run((p.maps + size - 1) / size, [&](int64_t b) { f(b * size, std::min((b + 1) * size, p.maps)); });
}

// Calls f with the kernel's height and width and the stride as types; not 0 if there is none such.
template <class F>
int dispatch(const Pass& p, F f) {
  auto fits = [&](auto rows, auto columns, auto stride) {
    if (p.kernel_height != rows || p.kernel_width != columns || p.stride != stride) return false;
    f(rows, columns, stride);
    return true;
  };
  const std::integral_constant<int, 1> one;
  const std::integral_constant<int, 2> two;
  const std::integral_constant<int, 3> three;
  const std::integral_constant<int, 5> five;
  const std::integral_constant<int, 7> seven;
  const bool found = fits(one, one, one) || fits(three, three, one) || fits(five, five, one) || fits(seven, seven, one) ||
                     fits(one, one, two) || fits(three, three, two) || fits(five, five, two) || fits(seven, seven, two) ||
                     fits(one, five, one) || fits(five, one, one);  // the last two: GhostNetV2's attention
  return !found;
}

}  // namespace
