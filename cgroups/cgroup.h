// Cgroup: one run's limits and counters, on cgroup v1 and v2 alike. Owns its directories: kills, drains and removes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"

namespace sandbox_run::cgroups {

struct Limits {
  Bytes memory;                 // hard limit, kernel memory and tmpfs pages included, no swap
  std::uint32_t processes = 0;  // tasks, threads counted
  double cpus = 1;              // bandwidth; 0: unlimited
};

struct CpuUsage {
  CpuTime cpu;  // all tasks, dead ones included
  CpuTime user;
  CpuTime system;
};

struct Usage : CpuUsage {
  Bytes memory_peak;
  std::uint64_t oom_kills = 0;
  std::uint32_t processes_peak = 0;      // 0: this kernel does not tell (pids.peak is 6.1+)
  std::uint64_t process_limit_hits = 0;  // pids.events max
};

// A run's group. Thread: one owner.
class Cgroup {
 public:
  virtual ~Cgroup() = default;  // kills what is left in it, waits until it is empty, removes it

  // v2: a directory descriptor for CLONE_INTO_CGROUP; -1 on v1.
  virtual int clone_into() const = 0;
  // v1: descriptors of `tasks` files, to which init itself writes "0" before it does anything; empty on v2. Writing
  // another task's pid to cgroup.procs costs 4 to 16 ms (an RCU grace period) and never happens here.
  virtual std::vector<int> join_files() const = 0;

  // By open descriptors, a few microseconds each: for the supervision loop.
  virtual Result<CpuTime> cpu_time() const = 0;
  virtual Result<CpuUsage> cpu_usage() const = 0;
  virtual Result<Bytes> memory_now() const = 0;  // everything charged

  // Who was to join has joined, nobody else will, and from now on usage() tells the memory peak since now. (On v2
  // before Linux 6.12 it stays that of the group's whole life.)
  virtual Status begin() = 0;

  virtual Result<Usage> usage() const = 0;
  virtual Status kill() = 0;    // every member, however fast it forks; returns when the group is empty
  virtual Status remove() = 0;  // after kill(); the destructor does both and cannot report
};

// The host's controllers and the one group of ours below which every run's group stands.
class Hierarchy {
 public:
  // Finds the controllers (v2 first where it has memory, pids and cpu, else v1, each by its controller's name in
  // /proc/self/mountinfo), and makes our parent group(s). Never moves a foreign process or touches a foreign group.
  // SANDBOX_RUN_CGROUP in the environment names the parent: a group's path in the hierarchy ("/user.slice/x"; on v1 in
  // each of them) or, on v2, its directory. Else v1 takes each mount's top; v2 the top as root, then the group we stand
  // in and its ancestors; where none does and we are alone in one, we step down into sandbox-run/supervisor until the
  // end. Fails with: Fault::host, saying what is missing and how to get it.
  static Result<std::unique_ptr<Hierarchy>> open();
  virtual ~Hierarchy() = default;

  virtual int version() const = 0;  // 1 or 2
  // `id` is unique among live runs: [a-z0-9-]+. The supervisor's pid is recorded in the group's name, so that
  // end_orphans can tell.
  // REQUIRES: the Hierarchy outlives its groups.
  virtual Result<std::unique_ptr<Cgroup>> create(std::string_view id, const Limits& limits) = 0;
  // Kills and removes groups of ours whose supervisor is gone (v1: counted once per directory); how many.
  virtual Result<int> end_orphans() = 0;

  // For doctor: where our groups stand ("v2: /sys/fs/cgroup/sandbox-run"), and which counters this kernel lacks, each
  // with what the report says instead. Empty: none.
  virtual std::string description() const = 0;
  virtual std::vector<std::string> missing_counters() const = 0;
};

}  // namespace sandbox_run::cgroups
