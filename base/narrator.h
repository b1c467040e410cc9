// Narrator: where stages tell how far they are. The doors decide what of it a person sees (--verbose, --quiet, --json).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sandbox_run {

class Narrator {
 public:
  virtual ~Narrator() = default;
  // A sentence for --verbose.
  virtual void note(const std::string& sentence) = 0;
  // A stage that can take over a second: `done` of `total` units (bytes, files, packages); total 0 is unknown.
  virtual void progress(std::string_view stage, std::uint64_t done, std::uint64_t total) = 0;
};

// Says nothing; for tests and callers without a terminal.
class SilentNarrator final : public Narrator {
 public:
  void note(const std::string&) override {}
  void progress(std::string_view, std::uint64_t, std::uint64_t) override {}
};

}  // namespace sandbox_run
