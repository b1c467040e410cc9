#include "sum-verify/go_sum.h"

#include "base/text.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

// The hash of an empty go.mod, which an old Go wrote by mistake; Go drops such lines.
constexpr std::string_view kEmptyGoModHash = "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=";

}  // namespace

GoSum GoSum::parse(std::string_view text) {
  GoSum sum;
  for (int number = 1; !text.empty(); ++number) {
    const std::vector<std::string_view> words = fields(take_line(text));
    if (words.empty()) continue;
    if (words.size() != 3) {
      sum.problems_.push_back({number, "wrong number of fields " + std::to_string(words.size())});
      continue;
    }
    if (words[2] == kEmptyGoModHash) continue;
    sum.lines_[{std::string(words[0]), std::string(words[1])}].push_back({std::string(words[2]), number});
  }
  return sum;
}

const std::vector<GoSumLine>& GoSum::lines(const std::string& path, const std::string& version) const {
  static const std::vector<GoSumLine> kNone;
  const auto found = lines_.find({path, version});
  return found == lines_.end() ? kNone : found->second;
}

std::vector<ModuleVersion> GoSum::conflicts() const {
  std::vector<ModuleVersion> found;
  for (const auto& [key, lines] : lines_) {
    std::string_view first;
    for (const GoSumLine& line : lines) {
      if (!line.hash.starts_with("h1:")) continue;
      if (first.empty()) first = line.hash;
      if (line.hash != first) {
        found.push_back(key);
        break;
      }
    }
  }
  return found;
}

}  // namespace sandbox_run::sum_verify
