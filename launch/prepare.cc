// Theory of operation. The clone comes first: while it makes its namespaces and executes init, this thread makes the
// cgroup, writes the id maps, builds the root and opens the mounts, and then sends all of it in one message. Init joins
// the cgroup, init and pid 2 do the script, and init reports ready with the filter's listener, or the step that failed.
// On cgroup v2 the group comes before the clone, which begins in it.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/audit.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "launch/live_sandbox.h"
#include "launch/steps_error.h"
#include "namespaces/id_map.h"
#include "seccomp-profiles/filter.h"

namespace sandbox_run::launch {
namespace {

constexpr std::chrono::seconds kReportTimeout{30};  // a launch takes a millisecond; a stuck host takes for ever

// Descriptors that travel to init; those by value are closed here once they are sent.
struct Parcel {
  UniqueFd status_write, stdin_read, stderr_write;
  RootTree tree;
  std::vector<int> join_files;  // the cgroup's
};

Status injected(const Plan& plan, Step step) {
  if (plan.fail.step != facts_of(step).name) return {};
  return step_error(step, plan.fail.error, "injected");
}

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe(int flags) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | flags) != 0) return step_error(Step::stdio_make, errno, "pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// The inode's mode is what /dev/stdin and its like can be opened for, and its owner must be the program's user.
Result<Pipe> make_stream(const Identity& identity, mode_t mode) {
  TRY(Pipe pipe, make_pipe(0));
  if (::fchmod(pipe.read.get(), mode) != 0 || ::fchown(pipe.read.get(), identity.program, identity.program) != 0)
    return step_error(Step::stdio_make, errno, "giving a pipe to the sandbox's user");
  return pipe;
}

Status set_nonblocking(const UniqueFd& ours) {
  if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return step_error(Step::stdio_make, errno, "O_NONBLOCK");
  return {};
}

Status make_stdio(LiveSandbox& sandbox, Parcel& parcel) {
  TRY_STATUS(injected(sandbox.plan, Step::stdio_make));
  const Identity identity = sandbox.slot.identity();
  TRY(Pipe in, make_stream(identity, 0400));
  TRY(Pipe out, make_stream(identity, 0200));
  TRY(Pipe error, make_stream(identity, 0200));
  TRY(Pipe status, make_pipe(0));
  for (const UniqueFd* ours : {&in.write, &out.read, &error.read, &status.read}) TRY_STATUS(set_nonblocking(*ours));
  sandbox.stdin_write = std::move(in.write);
  sandbox.stdout_read = std::move(out.read);
  sandbox.stdout_write = std::move(out.write);
  sandbox.stderr_read = std::move(error.read);
  sandbox.status = std::move(status.read);
  parcel.stdin_read = std::move(in.read);
  parcel.stderr_write = std::move(error.write);
  parcel.status_write = std::move(status.write);
  return {};
}

Status make_cgroup(LiveSandbox& sandbox, cgroups::Hierarchy* hierarchy) {
  TRY_STATUS(injected(sandbox.plan, Step::cgroup_create));
  if (gives_up(sandbox.plan, Wall::cgroup)) return {};
  if (hierarchy == nullptr) return in_step(Step::cgroup_create, host_error(sandbox.host.hierarchy_error));
  cgroups::Limits limits = sandbox.plan.cgroup;
  limits.processes += 1;  // init
  auto made = hierarchy->create(sandbox.plan.id, limits);
  if (!made) return in_step(Step::cgroup_create, std::move(made).error());
  sandbox.cgroup = std::move(made).value();
  return {};
}

// User and pid come with the clone, cgroup after joining.
std::uint64_t entered_namespaces(const LiveSandbox& sandbox) {
  const Plan& plan = sandbox.plan;
  std::uint64_t flags = CLONE_NEWNS;
  if (!gives_up(plan, Wall::network) && !sandbox.shared_network) flags |= CLONE_NEWNET;
  if (!gives_up(plan, Wall::ipc)) flags |= CLONE_NEWIPC;
  if (!gives_up(plan, Wall::uts)) flags |= CLONE_NEWUTS;
  return flags;
}

Result<pid_t> clone_init(LiveSandbox& sandbox) {
  TRY_STATUS(injected(sandbox.plan, Step::namespace_clone));
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return step_error(Step::namespace_clone, errno, "control socket");
  sandbox.control.reset(ends[0]);
  const UniqueFd theirs(ends[1]);
  EntryArguments& entry = sandbox.entry;
  entry.namespaces = entered_namespaces(sandbox);
  entry.control = theirs.get();
  entry.init_file = sandbox.host.init_file.get();
  for (Step step : {Step::namespace_enter, Step::init_capabilities, Step::init_exec}) {
    if (sandbox.plan.fail.step != facts_of(step).name) continue;
    entry.inject_step = step;
    entry.inject_errno = sandbox.plan.fail.error;
  }
  int pidfd = -1;
  const int into = sandbox.cgroup ? sandbox.cgroup->clone_into() : -1;
  const long pid = clone_entry(into, &entry, &pidfd);
  if (pid < 0) return step_error(Step::namespace_clone, static_cast<int>(-pid), "new namespaces");
  sandbox.init = Pidfd(pidfd);
  return static_cast<pid_t>(pid);
}

Status map_identity(const LiveSandbox& sandbox, pid_t child) {
  TRY_STATUS(injected(sandbox.plan, Step::identity_map));
  const Identity identity = sandbox.slot.identity();
  std::vector<namespaces::IdMapping> ids{{kInsideProgramId, identity.program, 1}};
  if (identity.has_setup) ids.push_back({0, identity.setup, 1});
  auto written = namespaces::write_id_maps(child, ids, ids);
  if (!written) return in_step(Step::identity_map, std::move(written).error());
  return {};
}

Status build_root(const LiveSandbox& sandbox, const MountPlan& mounts, RootTree& tree) {
  TRY_STATUS(injected(sandbox.plan, Step::root_make));
  TRY_STATUS(injected(sandbox.plan, Step::mount_open));
  auto made = make_root_tree(mounts, sandbox.slot.identity());
  if (!made) return in_step(Step::root_make, std::move(made).error());
  tree = std::move(made).value();
  return {};
}

// Nothing but the pause: for a plan that gives up the filter.
seccomp_profiles::Filter pause_only_filter() {
  return {{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_reboot, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
}

// The call that pid 2 is paused in: its exec where the filter hands that over, else one that no profile allows.
Result<int> pause_call(const Plan& plan, const seccomp_profiles::Filter& filter) {
  for (const int number : {SYS_execveat, SYS_reboot, SYS_kexec_load, SYS_swapon, SYS_acct})
    if (seccomp_profiles::hands_over(filter, number)) return number;
  return input_error("profile " + plan.profile_name +
                     " hands no call to the supervisor: it allows execveat, reboot, kexec_load, swapon and acct");
}

Status write_script(LiveSandbox& sandbox, const MountPlan& mounts, const Parcel& parcel) {
  LoweringFacts facts;
  facts.landlock_abi = sandbox.host.landlock_abi;
  facts.has_setup_identity = sandbox.slot.identity().has_setup;
  int position = kFirstMountFd + 1;
  for (const OpenedMount& opened : parcel.tree.mounts) {
    AttachedMount attached{opened.planned, position++, 0};
    if (opened.layers) attached.layers = position++;
    facts.mounts.push_back(attached);
  }
  facts.first_join_file = position;
  facts.join_files = static_cast<int>(parcel.join_files.size());
  position += facts.join_files;
  if (position > kMostDescriptors)
    return input_error(
        fmt::format("the launch's mounts take {} descriptors, and one message carries {}: give fewer "
                    "--mount-ro and --mount-rw",
                    position, kMostDescriptors));
  sandbox.rows = lower(sandbox.plan, mounts, facts);
  TRY_STATUS(check_required(sandbox.plan, sandbox.rows));
  const seccomp_profiles::Filter filter =
      gives_up(sandbox.plan, Wall::seccomp) ? pause_only_filter() : sandbox.plan.filter;
  TRY(const int pause, pause_call(sandbox.plan, filter));
  return encode(sandbox.rows, filter.program, static_cast<std::uint32_t>(pause), sandbox.plan, sandbox.exchange.get());
}

Status send_script(LiveSandbox& sandbox, const Parcel& parcel) {
  TRY_STATUS(injected(sandbox.plan, Step::script_send));
  std::vector<int> descriptors(kFirstMountFd);
  descriptors[kExchangeFd] = sandbox.exchange.fd();
  descriptors[kStatusFd] = parcel.status_write.get();
  descriptors[kStdinFd] = parcel.stdin_read.get();
  descriptors[kStdoutFd] = sandbox.stdout_write.get();
  descriptors[kStderrFd] = parcel.stderr_write.get();
  descriptors.push_back(parcel.tree.root.get());
  for (const OpenedMount& opened : parcel.tree.mounts) {
    descriptors.push_back(opened.mount.get());
    if (opened.layers) descriptors.push_back(opened.layers.get());
  }
  descriptors.insert(descriptors.end(), parcel.join_files.begin(), parcel.join_files.end());
  char byte = 0;
  iovec vector{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size() * sizeof(int));
  // EPIPE: the clone is dead already; receive_report() finds out of what.
  if (::sendmsg(sandbox.control.get(), &message, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
    return step_error(Step::script_send, errno, "to init");
  return {};
}

// The name of what a failed row was about.
Error row_error(const LiveSandbox& sandbox, const LaunchReport& report) {
  std::string detail;
  if (report.row < sandbox.rows.size()) detail = sandbox.rows[report.row].shown;
  const auto step = report.step < kStepCount ? static_cast<Step>(report.step) : Step::init_script;
  return step_error(step, report.error, detail);
}

Error silent_end(const LiveSandbox& sandbox) {
  if (sandbox.entry.error != 0) return step_error(sandbox.entry.failed_step, sandbox.entry.error, "");
  return host_error(std::string("launch ") + facts_of(Step::init_exec).name +
                    ": init ended without a word; was it killed (out of memory: --memory below what a launch needs)?");
}

Status receive_report(LiveSandbox& sandbox) {
  pollfd entry{sandbox.control.get(), POLLIN, 0};
  const auto timeout = std::chrono::milliseconds(kReportTimeout);
  int ready;
  do ready = ::poll(&entry, 1, static_cast<int>(timeout.count()));
  while (ready < 0 && errno == EINTR);
  if (ready == 0) return step_error(Step::listener_receive, ETIMEDOUT, "init is silent");
  LaunchReport report{};
  iovec vector{&report, sizeof report};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(sandbox.control.get(), &message, MSG_CMSG_CLOEXEC);
  if (got == 0 || (got < 0 && errno == ECONNRESET)) return silent_end(sandbox);
  if (got != sizeof report) return step_error(Step::listener_receive, got < 0 ? errno : EPROTO, "from init");
  if (report.kind != LaunchReport::ready) return row_error(sandbox, report);
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS)
    return step_error(Step::listener_receive, EPROTO, "no listener came");
  int listener;
  std::memcpy(&listener, CMSG_DATA(rights), sizeof listener);
  sandbox.listener.reset(listener);
  return injected(sandbox.plan, Step::listener_receive);
}

Result<std::unique_ptr<LiveSandbox>> allocate(const HostState& host, const Plan& plan) {
  if (plan.fail.step == facts_of(Step::exchange_make).name)
    return step_error(Step::exchange_make, plan.fail.error, "injected");
  auto exchange = SharedExchange::make();
  if (!exchange) return in_step(Step::exchange_make, std::move(exchange).error());
  auto sandbox = std::make_unique<LiveSandbox>(host, plan, std::move(exchange).value());
  TRY(sandbox->slot, IdentitySlot::take());
  return sandbox;
}

// What happens beside the clone's way to init and through its script, up to init's report.
Status furnish(LiveSandbox& sandbox, const MountPlan& mounts, pid_t child, const std::function<Status()>& meanwhile) {
  TRY_STATUS(map_identity(sandbox, child));
  if (!sandbox.cgroup) TRY_STATUS(make_cgroup(sandbox, sandbox.host.hierarchy.get()));
  Parcel parcel;
  if (sandbox.cgroup) parcel.join_files = sandbox.cgroup->join_files();
  TRY_STATUS(make_stdio(sandbox, parcel));
  TRY_STATUS(build_root(sandbox, mounts, parcel.tree));
  TRY_STATUS(write_script(sandbox, mounts, parcel));
  TRY_STATUS(send_script(sandbox, parcel));
  sandbox.scratch = std::move(parcel.tree.scratch);
  sandbox.layers = std::move(parcel.tree.layers);
  parcel = Parcel{};  // init has its own now; ends of pipes must not stay here
  if (meanwhile) TRY_STATUS(meanwhile());
  return receive_report(sandbox);
}

// Fresh namespaces come from a call that succeeded; a shared one comes from a flag that was left out, so it is looked
// at.
Status verify_network(const LiveSandbox& sandbox, const namespaces::EmptyNetwork* shared) {
  TRY_STATUS(injected(sandbox.plan, Step::network_verify));
  if (gives_up(sandbox.plan, Wall::network)) return {};
  const auto program = static_cast<pid_t>(sandbox.pause->pid);
  if (shared != nullptr) {
    if (auto verified = shared->verify(program); !verified)
      return in_step(Step::network_verify, std::move(verified).error());
    return {};
  }
  auto ours = namespaces::own_network();
  if (!ours) return in_step(Step::network_verify, std::move(ours).error());
  auto theirs = namespaces::network_of(program);
  if (!theirs) return in_step(Step::network_verify, std::move(theirs).error());
  if (*ours == *theirs)
    return step_error(Step::network_verify, EEXIST, "the program is in the supervisor's own network");
  return {};
}

}  // namespace

Result<std::unique_ptr<LiveSandbox>> prepare_sandbox(const HostState& host, const Plan& plan,
                                                     const std::function<Status()>& meanwhile,
                                                     const PoolMembership* pool) {
  const auto begin = std::chrono::steady_clock::now();
  TRY_STATUS(check_names(plan));
  TRY(std::unique_ptr<LiveSandbox> sandbox, allocate(host, plan));
  if (pool != nullptr && pool->network != nullptr) sandbox->shared_network = pool->network->identity();
  sandbox->removed_later = pool != nullptr;
  TRY(const MountPlan mounts, plan_mounts(sandbox->plan));
  const bool begins_in_group = host.hierarchy != nullptr && host.hierarchy->version() == 2;
  if (begins_in_group) TRY_STATUS(make_cgroup(*sandbox, host.hierarchy.get()));
  TRY(const pid_t child, clone_init(*sandbox));
  if (auto furnished = furnish(*sandbox, mounts, child, meanwhile); !furnished) {
    // A step of ours can fail because the clone is gone: then what ended the clone is the cause.
    if (sandbox->entry.error != 0) return silent_end(*sandbox);
    return std::move(furnished).error();
  }
  sandbox->control.reset();
  sandbox->exchange.close_fd();
  TRY_STATUS(settle(*sandbox));
  TRY_STATUS(verify_network(*sandbox, pool != nullptr ? pool->network : nullptr));
  // Without it (another /proc, a kernel that refuses) the mounts go with init, which is only slower.
  if (pool != nullptr)
    sandbox->mount_namespace.reset(
        ::open(fmt::format("/proc/{}/ns/mnt", sandbox->pause->pid).c_str(), O_RDONLY | O_CLOEXEC));
  sandbox->prepare_time =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  return sandbox;
}

}  // namespace sandbox_run::launch
