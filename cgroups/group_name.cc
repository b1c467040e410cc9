#include "cgroups/group_name.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "base/files.h"

namespace sandbox_run::cgroups {
namespace {

using unit_literals::operator""_KiB;

struct Stat {
  char state = '?';
  std::uint64_t start_time = 0;
};

// The name in parentheses may hold spaces and parentheses itself, so fields are counted from the last ')'.
std::optional<Stat> parse_stat(std::string_view text) {
  const std::size_t paren = text.rfind(')');
  if (paren == std::string_view::npos || paren + 2 >= text.size()) return std::nullopt;
  text.remove_prefix(paren + 2);
  Stat stat;
  stat.state = text.front();  // field 3
  for (int field = 3; field < 22; ++field) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    text.remove_prefix(space + 1);
  }
  const auto result = std::from_chars(text.data(), text.data() + text.size(), stat.start_time);
  if (result.ec != std::errc{}) return std::nullopt;
  return stat;
}

std::optional<Stat> read_stat(pid_t pid) {
  const auto text = read_file(fmt::format("/proc/{}/stat", pid), 4_KiB);
  if (!text) return std::nullopt;
  return parse_stat(*text);
}

// Takes "N-" off the front.
template <class Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end == text.data() + text.size() || *end != '-') return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

}  // namespace

Result<Supervisor> this_supervisor() {
  Supervisor self;
  self.pid = ::getpid();
  const auto stat = read_stat(self.pid);
  if (!stat)
    return host_error(
        fmt::format("cgroup: cannot read /proc/{}/stat, which tells this process's start time. "
                    "Mount proc on /proc",
                    self.pid));
  self.start_time = stat->start_time;
  struct stat status;
  if (::stat("/proc/self/ns/pid", &status) == 0) self.pid_namespace = status.st_ino;
  return self;
}

std::string group_name(const Supervisor& supervisor, std::string_view id) {
  return fmt::format("{}-{}-{}-{}", supervisor.pid, supervisor.start_time, supervisor.pid_namespace, id);
}

std::optional<Supervisor> parse_group_name(std::string_view name) {
  Supervisor supervisor;
  if (!take_number(name, supervisor.pid) || supervisor.pid <= 0) return std::nullopt;
  if (!take_number(name, supervisor.start_time)) return std::nullopt;
  if (!take_number(name, supervisor.pid_namespace)) return std::nullopt;
  if (!is_valid_id(name)) return std::nullopt;
  return supervisor;
}

bool is_valid_id(std::string_view id) {
  if (id.empty() || id.size() > 128) return false;
  for (const char c : id)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  return true;
}

Liveness liveness(const Supervisor& supervisor, const Supervisor& self) {
  if (supervisor.pid_namespace != self.pid_namespace) return Liveness::unknown;
  if (::kill(supervisor.pid, 0) != 0 && errno == ESRCH) return Liveness::gone;
  const auto stat = read_stat(supervisor.pid);
  if (!stat) {
    // It ended between the two looks, or hidepid hides another user's process: only the first is certain death.
    return ::kill(supervisor.pid, 0) != 0 && errno == ESRCH ? Liveness::gone : Liveness::alive;
  }
  if (stat->start_time != supervisor.start_time) return Liveness::gone;
  // A zombie supervises nothing, however long its parent leaves it unreaped.
  return stat->state == 'Z' || stat->state == 'X' ? Liveness::gone : Liveness::alive;
}

}  // namespace sandbox_run::cgroups
