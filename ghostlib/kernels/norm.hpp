// Normalisations of single channels with the activations after them, and their gradients.

#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

namespace {  // two builds in one process share nothing

// The modes of a normalisation (none; by given mean and variance; by those of this batch) and the activations; Python has
// the same names in options.py.
#define MODES NONE, GIVEN, BATCH
#define ACTIVATIONS LINEAR, RELU, RELU6, HSWISH

enum Mode { MODES };
enum Activation { ACTIVATIONS };

// Not max() and min(): a NaN must stay one.
inline float clamp(float v, float low, float high) { return v < low ? low : v > high ? high : v; }

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

  bool trivial() const { return scale == 1 && shift == 0 && activation == LINEAR; }
};

inline void apply(const Affine& f, const float* x, float* y, int64_t count) {
  with_activation(f.activation, [&](auto a) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) y[i] = activate<a>(x[i] * f.scale + f.shift);
  });
}

// Mean and biased variance of one channel, plane by plane: squares are summed around a plane's own mean while it is in the
// cache, and put together as in Chan, Golub & LeVeque (1979).
class Moments {
 public:
  void add(const float* x, int64_t count) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++) sum += x[i];
    const float middle = sum / count;
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < count; i++) squares += (x[i] - middle) * (x[i] - middle);
    const double step = middle - mean_, before = double(count_);
    count_ += count;
    mean_ += step * count / count_;
    squares_ += squares + step * step * before * count / count_;
  }
  float mean() const { return float(mean_); }
  float variance() const { return float(squares_ / count_); }

 private:
  double mean_ = 0, squares_ = 0;
  int64_t count_ = 0;
};

// What belongs to one normalisation: arrays over its channels. `mean` and `variance` are those used, kept for the
// gradient and for `pass_statistics`; the moving ones are read in GIVEN mode only. No input is ever written to.
struct Channels {
  const float *gamma, *beta, *moving_mean, *moving_variance;
  float *mean, *variance;

  void keep(int64_t i, float m, float v) const { mean[i] = m, variance[i] = v; }

  // The affine map of channel i with an activation after it, by what is given, which is kept, or by what was kept.
  Affine given(int norm, int64_t i, float epsilon, int activation) const {
    if (norm == GIVEN) keep(i, moving_mean[i], moving_variance[i]);
    return affine(norm, i, epsilon, activation);
  }
  Affine affine(int norm, int64_t i, float epsilon, int activation) const {
    if (norm == NONE) return {1, 0, activation};
    const float scale = gamma[i] / std::sqrt(variance[i] + epsilon);
    return {scale, beta[i] - mean[i] * scale, activation};
  }
};

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
  // From the gradient of what the normalisation puts out to that of x, in place.
  void apply(const float* x, float* gradient, int64_t count) const {
#pragma omp simd
    for (int64_t q = 0; q < count; q++) gradient[q] = scale_ * (gradient[q] - sum_ - (x[q] - mean_) * product_);
  }

 private:
  int norm_, activation_;
  float mean_ = 0, inverse_ = 1, scale_ = 1, shift_ = 0, sum_ = 0, product_ = 0;
  double sums_ = 0, products_ = 0;
};

}  // namespace
