#ifndef NATIVE_EXACT_INTEGER_H_
#define NATIVE_EXACT_INTEGER_H_

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

// `value` as an integer of this type, if it is one that a double holds exactly
// (as Number.isSafeInteger has it).
template <typename Integer>
std::optional<Integer> ExactInteger(double value) {
  constexpr double kMaxSafeInteger = 9007199254740991.0;
  constexpr double kLeast =
      std::max(static_cast<double>(std::numeric_limits<Integer>::min()), -kMaxSafeInteger);
  constexpr double kGreatest =
      std::min(static_cast<double>(std::numeric_limits<Integer>::max()), kMaxSafeInteger);
  // Not a number compares as false.
  if (!(value >= kLeast && value <= kGreatest) || value != std::trunc(value)) return std::nullopt;
  return static_cast<Integer>(value);
}

#endif  // NATIVE_EXACT_INTEGER_H_
