#include "runner/run_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "hooks/rules.h"
#include "seccomp-profiles/filter.h"
#include "seccomp-profiles/profile.h"

namespace sandbox_run::runner {
namespace {

std::string_view key_of(std::string_view assignment) { return assignment.substr(0, assignment.find('=')); }

bool writes_to_host(const Request& request) {
  return std::any_of(request.mounts.begin(), request.mounts.end(),
                     [](const HostMount& mount) { return mount.writable; });
}

Result<seccomp_profiles::Profile> profile_of(const Request& request, const launch::Plan& plan) {
  TRY(seccomp_profiles::Profile profile, seccomp_profiles::Profile::load(plan.profile_name));
  return writes_to_host(request) ? seccomp_profiles::syncing(std::move(profile)) : std::move(profile);
}

// A built-in profile's filter costs nothing; a file's is compiled now, and so is one that is not used as it stands.
Status set_profile(const Request& request, launch::Plan& plan) {
  plan.profile_name = request.profile;
  if (request.profile == "go-run" && request.network == launch::Network::loopback)
    plan.profile_name = "go-run-loopback";
  const seccomp_profiles::Filter* builtin = seccomp_profiles::builtin_filter(plan.profile_name);
  if (builtin != nullptr && !writes_to_host(request)) {
    plan.filter = *builtin;
    return {};
  }
  TRY(const seccomp_profiles::Profile profile, profile_of(request, plan));
  TRY(plan.filter, seccomp_profiles::compile(profile));
  return {};
}

void set_mounts(const Request& request, const std::string& source_path, launch::Plan& plan) {
  launch::TmpfsMount scratch;
  scratch.target = "/tmp";
  scratch.size = request.limits.scratch;
  if (source_path.empty()) {
    scratch.also_at = {"/work"};
  } else {
    plan.mounts.emplace_back(launch::BindMount{.source = source_path, .target = "/work"});
  }
  plan.mounts.emplace_back(std::move(scratch));
  for (const HostMount& mount : request.mounts)
    plan.mounts.emplace_back(launch::BindMount{
        .source = mount.source, .target = mount.target, .writable = mount.writable, .executable = !mount.writable});
}

std::vector<std::string> without_repeats(const std::vector<std::string>& names) {
  std::vector<std::string> once;
  for (const std::string& name : names)
    if (std::find(once.begin(), once.end(), name) == once.end()) once.push_back(name);
  return once;
}

}  // namespace

std::uint32_t go_max_procs(const RunLimits& limits) {
  const auto of_the_quota = static_cast<std::uint32_t>(std::ceil(limits.cpus));
  return std::clamp(of_the_quota, 1U, std::max(1U, static_cast<std::uint32_t>(limits.processes / 2)));
}

std::uint64_t go_memory_limit(const RunLimits& limits) { return limits.memory.count / 10 * 9; }

std::vector<std::string> environment_of(const Request& request) {
  std::vector<std::string> environment = {
      "HOME=/tmp",
      "TMPDIR=/tmp",
      "USER=sandbox",
      "PATH=",
      "LANG=C.UTF-8",
      fmt::format("GOMAXPROCS={}", go_max_procs(request.limits)),
      fmt::format("GOMEMLIMIT={}", go_memory_limit(request.limits)),
  };
  for (const std::string& own : request.environment) {
    std::erase_if(environment, [&](const std::string& fixed) { return key_of(fixed) == key_of(own); });
    environment.push_back(own);
  }
  return environment;
}

report::LimitsSection limits_section(const Request& request) {
  const RunLimits& limits = request.limits;
  report::LimitsSection section;
  section.cpu_time = limits.cpu_time;
  section.wall_time = limits.wall_time;
  section.memory = limits.memory;
  section.processes = limits.processes;
  section.cpus = limits.cpus;
  section.output = limits.output;
  section.scratch = limits.scratch;
  section.open_files = limits.open_files;
  for (const std::string& assignment : environment_of(request)) {
    const std::string value = assignment.substr(assignment.find('=') + 1);
    if (key_of(assignment) == "GOMEMLIMIT") section.go_memory_limit = value;
    if (key_of(assignment) == "GOMAXPROCS")
      std::from_chars(value.data(), value.data() + value.size(), section.go_max_procs);
  }
  return section;
}

bool shows_source(const Request& request) { return request.with_source || request.action == Request::Action::test; }

Status check_mounts(const Request& request) {
  if (!shows_source(request)) return {};
  for (const HostMount& mount : request.mounts) {
    if (!(mount.target + "/").starts_with("/work/")) continue;
    return input_error(fmt::format(
        "--mount-{} {}:{}: {} shows the source read-only at /work, and nothing can be mounted into it; mount it "
        "elsewhere, "
        "for example at /data",
        mount.writable ? "rw" : "ro", mount.source, mount.target, request.with_source ? "--with-source" : "a test"));
  }
  return {};
}

Result<launch::Plan> plan_for(const Request& request, const std::string& id, const std::string& source_path,
                              const std::string& package) {
  launch::Plan plan;
  plan.id = id;
  TRY_STATUS(set_profile(request, plan));
  set_mounts(request, source_path, plan);
  if (package.starts_with("./")) plan.working_directory = "/work/" + package.substr(2);
  plan.on_denied = request.on_denied;
  plan.proc = request.proc;
  plan.network = request.network;
  plan.rlimits.open_files = request.limits.open_files;
  plan.rlimits.file_size = request.limits.scratch;
  plan.memory = request.limits.memory;
  plan.scratch = request.limits.scratch;
  // The scratch space is memory too (tmpfs); it is granted on top, and a watch holds the program itself to --memory.
  plan.cgroup.memory = request.limits.memory + request.limits.scratch;
  plan.cgroup.processes = request.limits.processes;
  plan.cgroup.cpus = request.limits.cpus;
  plan.cpu_time = request.limits.cpu_time;
  plan.wall_time = request.limits.wall_time;
  plan.output = request.limits.output;
  plan.weaken = without_repeats(request.weaken);
  plan.require = without_repeats(request.require);
  return plan;
}

Status watch_calls(const Request& request, launch::Plan& plan) {
  if (!request.trace) return {};
  plan.watched_calls = hooks::explained_calls(*request.trace);
  if (plan.watched_calls.empty()) return {};
  TRY(seccomp_profiles::Profile profile, profile_of(request, plan));
  plan.watched = std::move(plan.filter);
  TRY(plan.filter, seccomp_profiles::compile(seccomp_profiles::handing_over(std::move(profile), plan.watched_calls)));
  return {};
}

}  // namespace sandbox_run::runner
