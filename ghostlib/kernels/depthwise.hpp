// Depthwise convolutions of single planes and their gradients, for kernels of R x C and strides of S (1 or 2).
//
// A plane is first copied with zeros around it ("padded"), and for a stride of 2 dealt out to four planes, one for each
// parity of row and column ("phases"). Then a shift by one place of the kernel is one offset in memory, whatever the
// stride is: each place of the kernel is one multiplication of long rows without a gap, which also run over the few
// numbers between the rows of the output that mean nothing.

#pragma once

#include <algorithm>

#include "lanes.hpp"

namespace {  // two builds in one process share nothing

template <int R, int C, int S>
struct Depthwise {
  static constexpr int SIZE = R * C, ABOVE = R / 2, BEFORE = C / 2;  // zeros over a plane and left of it
  static constexpr int DOWN = (R - 1) / S, ACROSS = (C - 1) / S;     // how far a shift goes within a phase
  const int64_t height, width, out_height, out_width;
  const int64_t pitch = out_width + ACROSS, rows = out_height + DOWN;  // of a phase
  const int64_t phase = rows * pitch;
  const int64_t spread = out_height * pitch;  // an output, its rows as far apart as those of a phase
  const int64_t lead = DOWN * pitch + ACROSS;  // zeros that shifts backwards reach, before a spread gradient

  Depthwise(int64_t h, int64_t w) : height(h), width(w), out_height((h - 1) / S + 1), out_width((w - 1) / S + 1) {}

  // How much memory each needs, with what whole Lanes, shifted as far as they are, read and write beyond the end.
  int64_t padded_size() const { return S * S * phase + ACROSS + LANES; }
  int64_t spread_size() const { return lead + phase + LANES; }

  int64_t shift(int r, int c) const { return (r % S * S + c % S) * phase + r / S * pitch + c / S; }

  // (height, width) to padded phases.
  void pad(const float* x, float* padded) const {
    std::memset(padded, 0, padded_size() * sizeof(float));
    for (int64_t h = 0; h < height; h++, x += width) {
      float* line = padded + (h + ABOVE) % S * S * phase + (h + ABOVE) / S * pitch;
      if constexpr (S == 1) {
        for (int64_t w = 0; w < width; w += LANES) store(line + BEFORE + w, load(x + w, width - w), width - w);
      } else {
        float *evens = line + BEFORE % 2 * phase + BEFORE / 2, *odds = line + (BEFORE + 1) % 2 * phase + (BEFORE + 1) / 2;
        for (int64_t w = 0; w < width; w += 2 * LANES) {
          const int64_t left = width - w;
          const Lanes a = load(x + w, left), b = load(x + w + LANES, left - LANES);
          store(evens + w / 2, even(a, b), (left + 1) / 2);
          store(odds + w / 2, odd(a, b), left / 2);
        }
      }
    }
  }

  // Padded phases to a spread output.
  void forward(const float* padded, const float* weight, float* y) const {
    for (int64_t i = 0; i < spread; i += LANES) {
      Lanes sum = {};
#pragma GCC unroll 7
      for (int r = 0; r < R; r++)
#pragma GCC unroll 7
        for (int c = 0; c < C; c++) sum += weight[r * C + c] * load(padded + shift(r, c) + i);
      store(y + i, sum);
    }
  }

  // The gradient for the weights, added to: of a spread gradient with zeros between its rows.
  void weight_gradient(const float* padded, const float* g, double* dweight) const {
    constexpr int TOGETHER = SIZE <= 9 ? R : 1;  // rows of the kernel: as many sums as registers hold
    for (int first = 0; first < R; first += TOGETHER) {
      Lanes sums[TOGETHER][C] = {};
      for (int64_t i = 0; i < spread; i += LANES) {
        const Lanes gi = load(g + i);
#pragma GCC unroll 7
        for (int r = 0; r < TOGETHER; r++)
#pragma GCC unroll 7
          for (int c = 0; c < C; c++) sums[r][c] += gi * load(padded + shift(first + r, c) + i);
      }
      for (int r = 0; r < TOGETHER; r++)
        for (int c = 0; c < C; c++) {
          float sum = 0;
          for (int lane = 0; lane < LANES; lane++) sum += sums[r][c][lane];
          dweight[(first + r) * C + c] += sum;
        }
    }
  }

  // The gradient for the input, in padded phases: of a spread gradient with zeros between its rows and around it.
  void input_gradient(const float* g, const float* weight, float* padded) const {
    const int64_t begin = ABOVE / S * pitch, end = ((height - 1 + ABOVE) / S + 1) * pitch;
    for (int a = 0; a < S; a++)
      for (int b = 0; b < S; b++) {
        float* to = padded + (a * S + b) * phase;
        for (int64_t i = begin; i < end; i += LANES) {
          Lanes sum = {};
#pragma GCC unroll 7
          for (int r = 0; r < R; r++)
#pragma GCC unroll 7
            for (int c = 0; c < C; c++)
              if (r % S == a && c % S == b) sum += weight[r * C + c] * load(g + i - r / S * pitch - c / S);
          store(to + i, sum);
        }
      }
  }

  // dx = `base`, or zeros for nullptr, plus the gradient that lies in padded phases. Both may be the same.
  void add_unpadded(const float* padded, const float* base, float* dx) const {
    for (int64_t h = 0; h < height; h++) {
      const float* line = padded + (h + ABOVE) % S * S * phase + (h + ABOVE) / S * pitch;
      auto put = [&](int64_t w, Lanes value) {
        const int64_t left = width - w;
        if (base) value += load(base + h * width + w, left);
        store(dx + h * width + w, value, left);
      };
      if constexpr (S == 1) {
        for (int64_t w = 0; w < width; w += LANES) put(w, load(line + BEFORE + w));
      } else {
        const float *evens = line + BEFORE % 2 * phase + BEFORE / 2, *odds = line + (BEFORE + 1) % 2 * phase + (BEFORE + 1) / 2;
        for (int64_t w = 0; w < width; w += 2 * LANES) {
          const Lanes a = load(evens + w / 2), b = load(odds + w / 2);
          put(w, zip_low(a, b));
          put(w + LANES, zip_high(a, b));
        }
      }
    }
  }

  // A spread output to (out_height, out_width).
  void gather(const float* y, float* out) const {
    for (int64_t r = 0; r < out_height; r++)
      for (int64_t c = 0; c < out_width; c += LANES)
        store(out + r * out_width + c, load(y + r * pitch + c), out_width - c);
  }

  // The way back, with zeros between the rows and around them; returns where the first number is.
  float* scatter(const float* out, float* y) const {
    std::memset(y, 0, spread_size() * sizeof(float));
    for (int64_t r = 0; r < out_height; r++)
      for (int64_t c = 0; c < out_width; c += LANES)
        store(y + lead + r * pitch + c, load(out + r * out_width + c, out_width - c), out_width - c);
    return y + lead;
  }

  // Zeros between the rows of a spread output.
  void clear_gaps(float* y) const {
    for (int64_t r = 0; r < out_height; r++)
      for (int64_t c = out_width; c < pitch; c++) y[r * pitch + c] = 0;
  }
};

}  // namespace
