// near_name: the word that was probably meant.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox_run::hooks {

// Levenshtein's distance, of words of at most a few dozen bytes.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

// "; did you mean 'all-of'?"; where no candidate is near and there are few of them, "; it may be one of: …".
inline std::string near_name(std::string_view word, const std::vector<std::string>& candidates) {
  std::size_t best = std::max<std::size_t>(2, word.size() / 3) + 1;
  std::string_view nearest;
  if (word.size() <= 64)
    for (const std::string& candidate : candidates)
      if (std::size_t distance = edit_distance(word, candidate); distance < best) best = distance, nearest = candidate;
  if (!nearest.empty()) return "; did you mean '" + std::string(nearest) + "'?";
  if (candidates.empty() || candidates.size() > 24) return "";
  std::string all;
  for (const std::string& candidate : candidates) all += (all.empty() ? "" : ", ") + candidate;
  return "; it may be one of: " + all;
}

}  // namespace sandbox_run::hooks
