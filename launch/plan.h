// Plan: everything a sandbox will be, as plain data. Made by pure code, printed by --dry-run, lowered for the child.
#pragma once

#include <linux/seccomp.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"
#include "cgroups/cgroup.h"
#include "seccomp-profiles/filter.h"

namespace sandbox_run::launch {

// Mounts, applied in order onto the new root. Every target is absolute inside; parents are made as needed.
struct BindMount {     // nosuid, nodev; the source is opened by the supervisor, before any namespace
  std::string source;  // absolute host path
  std::string target;
  bool writable = false;
  bool executable = false;  // else noexec
};
struct TmpfsMount {  // nosuid, nodev, noexec, nosymfollow; owned by the sandbox's user
  std::string target;
  Bytes size;
  std::uint64_t inodes = 4096;
  std::vector<std::string> also_at;  // further targets that show the same file system: /work beside /tmp
  bool executable = false;           // a build runs no file it wrote, but a test driver may
};
struct OverlayMount {  // a read-only lower tree below a private upper layer in memory that dies with the run
  std::string lower;   // absolute host path
  std::string target;
  Bytes upper_size;
  std::uint64_t upper_inodes = 65536;
  std::vector<std::string> upper_directories;                    // made in the upper layer, owned by the sandbox's user
  std::vector<std::pair<std::string, std::string>> upper_files;  // path → content, likewise
};
struct FileMount {  // a small read-only file with this content
  std::string target;
  std::string content;
};
struct DirectoryMount {  // an empty read-only directory (a mount point, a place to stand)
  std::string target;
};
using Mount = std::variant<BindMount, TmpfsMount, OverlayMount, FileMount, DirectoryMount>;

enum class Network { none, loopback };
enum class OnDenied { error, kill };

struct Rlimits {
  std::uint32_t open_files = 256;
  Bytes file_size{64ull << 20};  // RLIMIT_FSIZE
};

// Fault injection: the launch step of this name (launch/steps.h) fails with `error` instead of acting.
struct FailStep {
  std::string step;
  int error = 0;
};

struct Plan {
  std::string id;  // [a-z0-9-]+, unique among live runs
  std::string hostname = "sandbox";
  std::string profile_name = "go-run";
  seccomp_profiles::Filter filter;
  // Calls that `filter` hands over although the profile allows them, so that somebody can watch: they are shown to the
  // observer of the run and answered as this filter, the profile's own, says. Empty: what is handed over is denied.
  seccomp_profiles::Filter watched;
  std::vector<int> watched_calls;  // what is handed over so, by number: for render()
  OnDenied on_denied = OnDenied::error;
  bool cancel_at_once = false;  // the first signal ends the run; else it goes to the program, and only a second does
  std::vector<Mount> mounts;    // beside the base tree (/etc, /dev, zoneinfo, CA bundle), which every root has
  bool proc = false;            // --proc: subset=pid
  bool base_tree = true;
  std::string working_directory = "/work";
  Network network = Network::none;
  Rlimits rlimits;
  cgroups::Limits cgroup;  // processes: the program's own; launch adds init
  Bytes memory;            // what the program may use apart from scratch; cgroup.memory = memory + scratch
  Bytes scratch;
  CpuTime cpu_time;
  WallTime wall_time;
  Bytes output;                      // stdout + stderr together
  std::vector<std::string> weaken;   // names of walls the caller gave up
  std::vector<std::string> require;  // names of hardenings the caller insists on
  bool refuse_exec_gain = true;      // PR_SET_MDWE; false for programs that generate machine code
  FailStep fail;                     // tests only
};

// What depends on the program: given at start().
struct Program {
  int executable = -1;                   // a sealed memfd or an O_PATH/O_RDONLY file; borrowed
  std::vector<std::string> argv;         // argv[0] included
  std::vector<std::string> environment;  // "K=V"
  std::vector<int> descriptors;          // at most 4: it starts with them as 3, 4, …; borrowed
};

// A system call that the filter handed to the supervisor, in the kernel's words. Its thread waits for the answer.
struct HandedOverCall {
  std::int32_t thread = 0;  // in the supervisor's pid namespace
  seccomp_data data{};
  bool denied = false;
};

// Watches a run. Thread: the supervisor's.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  // The program's process, in the supervisor's pid namespace, stands before its exec of this file, which nobody can
  // change. An error is start()'s.
  virtual Status about_to_start(pid_t program, int executable) = 0;
  // Of every call that was handed over, before it is answered.
  virtual void handed_over(const HandedOverCall& call) = 0;
};

// The three streams. Descriptors are borrowed. A reader of ours that leaves (EPIPE) closes the program's pipe, as in a
// shell.
struct Streams {
  int input = -1;   // read while the program has room; -1: empty
  int output = -1;  // where stdout goes as it comes; -1: nowhere
  int error = -1;
  bool merge = false;  // stdout and stderr are one open file: one pipe serves both, order kept
  Bytes capture{0};    // also kept in Facts, up to this much of each
};

}  // namespace sandbox_run::launch
