// Semantic versions as Go modules write them: "v1.2.3", "v1.2.3-pre.1+meta", and the short forms "v1", "v1.2".
// Source: golang.org/x/mod/semver.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandbox_run::sum_verify {

struct Semver {
  std::string_view major, minor, patch;  // digits; minor and patch are "0" in short forms
  std::string_view prerelease;           // with its '-', or empty
  std::string_view build;                // with its '+', or empty
  bool is_short = false;                 // "v1" or "v1.2"
};

// Views into `text`; nullopt where it is no version.
std::optional<Semver> parse_semver(std::string_view text);

// <0, 0, >0 by precedence; build metadata counts for nothing. An invalid version is below every valid one.
int compare_semver(std::string_view a, std::string_view b);

// "v1" → "v1.0.0", build metadata dropped but for "+incompatible", which Go keeps. Empty where it is no version.
std::string canonical_version(std::string_view version);

// "v1" of "v1.2.3"; empty where it is no version.
std::string semver_major(std::string_view version);

}  // namespace sandbox_run::sum_verify
