// Numbers side by side, as many as a register of this processor holds: operators and loads work on all of them at once.

#pragma once

#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {  // two builds in one process share nothing

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t Places __attribute__((vector_size(LANES * sizeof(int32_t))));

inline Lanes load(const float* at) {
  Lanes lanes;
  std::memcpy(&lanes, at, sizeof lanes);
  return lanes;
}

inline void store(float* at, Lanes lanes) { std::memcpy(at, &lanes, sizeof lanes); }

#if defined(__AVX2__) && !defined(__AVX512F__)
inline __m256i mask_of(int64_t count) {
  static const int32_t mask[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask + LANES - count));
}
#endif

// The first `count` numbers, and zeros for those behind them, which are not touched. A count may be anything.
inline Lanes load(const float* at, int64_t count) {
  if (count >= LANES) return load(at);
  if (count <= 0) return Lanes{};
#if defined(__AVX512F__)
  return Lanes(_mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), at));
#elif defined(__AVX2__)
  return Lanes(_mm256_maskload_ps(at, mask_of(count)));
#else
  Lanes lanes = {};
  for (int64_t i = 0; i < count; i++) lanes[i] = at[i];
  return lanes;
#endif
}

inline void store(float* at, Lanes lanes, int64_t count) {
  if (count >= LANES) return store(at, lanes);
  if (count <= 0) return;
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(at, __mmask16((1u << count) - 1), __m512(lanes));
#elif defined(__AVX2__)
  _mm256_maskstore_ps(at, mask_of(count), __m256(lanes));
#else
  for (int64_t i = 0; i < count; i++) at[i] = lanes[i];
#endif
}

// Of two, the numbers at places first, first + step, first + 2 step, ... counted through both.
template <int FIRST, int STEP>
Lanes each(Lanes a, Lanes b) {
  Places places;
  for (int i = 0; i < LANES; i++) places[i] = FIRST + STEP * i;
#if defined(__clang__)
  Lanes chosen;
  for (int i = 0; i < LANES; i++) chosen[i] = places[i] < LANES ? a[places[i]] : b[places[i] - LANES];
  return chosen;
#else
  return __builtin_shuffle(a, b, places);
#endif
}
inline Lanes even(Lanes a, Lanes b) { return each<0, 2>(a, b); }
inline Lanes odd(Lanes a, Lanes b) { return each<1, 2>(a, b); }

// The way back: one number of each in turn, from the first halves of both or from the second ones.
template <int FIRST>
Lanes zip(Lanes a, Lanes b) {
  Places places;
  for (int i = 0; i < LANES; i++) places[i] = FIRST + i / 2 + i % 2 * LANES;
#if defined(__clang__)
  Lanes chosen;
  for (int i = 0; i < LANES; i++) chosen[i] = i % 2 ? b[FIRST + i / 2] : a[FIRST + i / 2];
  return chosen;
#else
  return __builtin_shuffle(a, b, places);
#endif
}
inline Lanes zip_low(Lanes a, Lanes b) { return zip<0>(a, b); }
inline Lanes zip_high(Lanes a, Lanes b) { return zip<LANES / 2>(a, b); }

}  // namespace
