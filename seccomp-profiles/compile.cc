// A Profile becomes BPF through libseccomp; then the BPF is run on samples around every rule and compared with what the
// rules say, because a filter that is wrong by one jump is no wall.
#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>

#include "base/files.h"
#include "base/unique_fd.h"
#include "seccomp-profiles/filter.h"

namespace sandbox_run::seccomp_profiles {
namespace {

constexpr int kX32Bit = 0x40000000;

struct ContextDeleter {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ContextDeleter>;

Error libseccomp_failed(const Profile& profile, const std::string& what, int negative_errno) {
  return Error{Fault::self, -negative_errno,
               "seccomp profile " + profile.name + ": libseccomp: " + what + ": " + std::strerror(-negative_errno)};
}

scmp_arg_cmp comparison_of(const Condition& condition) {
  switch (condition.test) {
    case Condition::Test::equal:
      return {condition.argument, SCMP_CMP_EQ, condition.value, 0};
    case Condition::Test::not_equal:
      return {condition.argument, SCMP_CMP_NE, condition.value, 0};
    case Condition::Test::within:
      return {condition.argument, SCMP_CMP_MASKED_EQ, ~condition.value, 0};
  }
  return {};
}

Status add_rule(const Profile& profile, scmp_filter_ctx context, const Rule& rule) {
  const std::uint32_t action =
      rule.answer == Rule::Answer::allow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(static_cast<std::uint32_t>(rule.error));
  auto add = [&](const std::vector<Condition>& alternative) -> Status {
    std::vector<scmp_arg_cmp> comparisons;
    for (const Condition& condition : alternative) comparisons.push_back(comparison_of(condition));
    const int status = seccomp_rule_add_exact_array(context, action, rule.number,
                                                    static_cast<unsigned>(comparisons.size()), comparisons.data());
    if (status != 0) return libseccomp_failed(profile, "cannot add line " + std::to_string(rule.line), status);
    return {};
  };
  if (rule.alternatives.empty()) return add({});
  for (const std::vector<Condition>& alternative : rule.alternatives) TRY_STATUS(add(alternative));
  return {};
}

Result<Filter> export_program(const Profile& profile, scmp_filter_ctx context) {
  // libseccomp 2.5 exports to descriptors only.
  const UniqueFd fd(memfd_create("sandbox-run-filter", MFD_CLOEXEC));
  if (!fd) return host_error(errno, "seccomp profile " + profile.name + ": cannot create a memory file");
  if (const int status = seccomp_export_bpf(context, fd.get()); status != 0) {
    return libseccomp_failed(profile, "cannot export the program", status);
  }
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return host_error(errno, "seccomp profile: cannot rewind the program");
  TRY(const std::string bytes, read_to_end(fd.get(), Bytes{BPF_MAXINSNS * sizeof(sock_filter)}, "filter program"));
  if (bytes.empty() || bytes.size() % sizeof(sock_filter) != 0) {
    return self_error("seccomp profile " + profile.name + ": libseccomp wrote " + std::to_string(bytes.size()) +
                      " bytes, which is no whole number of instructions");
  }
  Filter filter;
  filter.program.resize(bytes.size() / sizeof(sock_filter));
  std::memcpy(filter.program.data(), bytes.data(), bytes.size());
  return filter;
}

std::uint32_t action_of(const Rule& rule) {
  return rule.answer == Rule::Answer::allow ? SECCOMP_RET_ALLOW
                                            : SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(rule.error);
}

bool alternative_holds(const std::vector<Condition>& alternative, const seccomp_data& data) {
  for (const Condition& condition : alternative) {
    if (!condition.holds(data.args[condition.argument])) return false;
  }
  return true;
}

Status expect_same(const Profile& profile, const Filter& filter, const seccomp_data& data) {
  const std::uint32_t want = decide(profile, data);
  const std::uint32_t got = evaluate(filter, data);
  if (want == got) return {};
  return self_error("seccomp profile " + profile.name + ": the compiled filter answers " + std::to_string(got) +
                    " and not " + std::to_string(want) + " for call " + std::to_string(data.nr) +
                    "; please report this with the profile");
}

// Every alternative with arguments that fulfil it, and with each of these arguments bent by one bit of either half.
Status check_rule(const Profile& profile, const Filter& filter, const Rule& rule) {
  seccomp_data data{};
  data.arch = AUDIT_ARCH_X86_64;
  data.nr = rule.number;
  TRY_STATUS(expect_same(profile, filter, data));
  for (const std::vector<Condition>& alternative : rule.alternatives) {
    for (const Condition& condition : alternative) {
      data.args[condition.argument] = condition.test == Condition::Test::not_equal ? ~condition.value : condition.value;
    }
    TRY_STATUS(expect_same(profile, filter, data));
    for (const Condition& condition : alternative) {
      const std::uint64_t good = data.args[condition.argument];
      for (int bit = 0; bit < 64; ++bit) {
        data.args[condition.argument] = good ^ (std::uint64_t{1} << bit);
        TRY_STATUS(expect_same(profile, filter, data));
      }
      data.args[condition.argument] = condition.value;
      TRY_STATUS(expect_same(profile, filter, data));
      data.args[condition.argument] = good;
    }
  }
  return {};
}

Status check(const Profile& profile, const Filter& filter) {
  for (const Rule& rule : profile.rules) TRY_STATUS(check_rule(profile, filter, rule));
  for (const std::uint32_t arch : {std::uint32_t{AUDIT_ARCH_X86_64}, std::uint32_t{AUDIT_ARCH_I386}, 0u}) {
    for (int number = -1; number < 600; ++number) {
      seccomp_data data{};
      data.arch = arch;
      data.nr = number;
      TRY_STATUS(expect_same(profile, filter, data));
      data.nr = number | kX32Bit;
      TRY_STATUS(expect_same(profile, filter, data));
    }
  }
  return {};
}

}  // namespace

Result<Filter> compile(const Profile& profile) {
  // The level says what the running kernel can do. The program may be made where it is never loaded (a package build).
  if (const int status = seccomp_api_set(6); status != 0) {
    return libseccomp_failed(profile, "user notification is unknown to it (needs libseccomp 2.5)", status);
  }
  const Context context(seccomp_init(SCMP_ACT_NOTIFY));
  if (!context) return self_error("seccomp profile " + profile.name + ": libseccomp cannot start a filter");
  // Debian builds libseccomp for x86-64 first; say it all the same, so that the program never follows the build host.
  if (seccomp_arch_native() != SCMP_ARCH_X86_64) {
    return host_error("seccomp profile " + profile.name + ": profiles are written for x86-64 and this machine is not");
  }
  if (const int status = seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_NOTIFY); status != 0) {
    return libseccomp_failed(profile, "cannot send foreign architectures to the listener", status);
  }
  if (const int status = seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2); status != 0) {
    return libseccomp_failed(profile, "cannot optimise to a tree", status);
  }
  for (const Rule& rule : profile.rules) TRY_STATUS(add_rule(profile, context.get(), rule));
  TRY(Filter filter, export_program(profile, context.get()));
  TRY_STATUS(check(profile, filter));
  return filter;
}

std::uint32_t decide(const Profile& profile, const seccomp_data& data) {
  if (data.arch != AUDIT_ARCH_X86_64 || (static_cast<std::uint32_t>(data.nr) & kX32Bit) != 0) {
    return SECCOMP_RET_USER_NOTIF;
  }
  for (const Rule& rule : profile.rules) {
    if (rule.number != data.nr) continue;
    if (rule.alternatives.empty()) return action_of(rule);
    for (const std::vector<Condition>& alternative : rule.alternatives) {
      if (alternative_holds(alternative, data)) return action_of(rule);
    }
  }
  return SECCOMP_RET_USER_NOTIF;
}

Filter without_listener(const Filter& filter, std::uint32_t action) {
  Filter result = filter;
  for (sock_filter& op : result.program) {
    if (BPF_CLASS(op.code) == BPF_RET && BPF_RVAL(op.code) == BPF_K && op.k == SECCOMP_RET_USER_NOTIF) op.k = action;
  }
  return result;
}

}  // namespace sandbox_run::seccomp_profiles
