// Where things stand inside the build sandbox. Fixed, so that nothing a build prints or keeps depends on the host.
#pragma once

#include <string_view>

namespace sandbox_run::go_build::inside {

inline constexpr std::string_view kSource = "/src";       // the snapshot, read-only; the build's working directory
inline constexpr std::string_view kGoroot = "/goroot";    // read-only, executable
inline constexpr std::string_view kModules = "/gomod";    // GOMODCACHE: the build list's modules and nothing else
inline constexpr std::string_view kCache = "/gocache";    // GOCACHE: the std cache below a private layer
inline constexpr std::string_view kTemporary = "/gotmp";  // GOTMPDIR: memory, noexec
inline constexpr std::string_view kOutput =
    "/out/program";  // one empty file of ours, the only thing a build without hooks may write outside

// Of a build with hooks.
inline constexpr std::string_view kRewriter = "/hooks/rewriter";
inline constexpr std::string_view kHookRules = "/hooks/rules.json";
inline constexpr std::string_view kHookRuntime = "/hooks/runtime.a";
inline constexpr std::string_view kHookPlan = "/hooks/plan";           // another one of ours: where the rewriter writes
inline constexpr std::string_view kCleanPackages = "/hooks/packages";  // the std cache's, while it is filled with hooks
inline constexpr std::string_view kHookedArchives = "/gocache/hooked";  // for the linker, in place of clean ones

}  // namespace sandbox_run::go_build::inside
