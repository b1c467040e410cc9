#include "launch/denials.h"

#include <linux/audit.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "seccomp-profiles/filter.h"

namespace sandbox_run::launch {
namespace {

// Between two looks at the clock. What an observer does with a call takes the time that the program makes it take.
constexpr int kBatch = 64;
constexpr std::chrono::milliseconds kBatchTime{2};
constexpr int kX32Bit = 0x40000000;

bool is_foreign(const seccomp_data& data) { return data.arch != AUDIT_ARCH_X86_64 || (data.nr & kX32Bit) != 0; }

bool is_pending(int listener) {
  pollfd entry{listener, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN) != 0;
}

}  // namespace

int listener_ioctl(int listener, unsigned long request, void* argument) {
  int result;
  do result = ::ioctl(listener, request, argument);
  while (result < 0 && errno == EINTR);
  return result;
}

void Denials::note(const seccomp_data& data) {
  const std::string arch = seccomp_profiles::arch_name(data.arch, data.nr);
  for (DeniedCall& call : calls_) {
    if (call.number != data.nr || call.arch != arch) continue;
    ++call.count;
    return;
  }
  DeniedCall call;
  call.syscall = seccomp_profiles::syscall_name(data.arch, data.nr);
  call.number = data.nr;
  call.arch = arch;
  call.count = 1;
  call.instruction_pointer = data.instruction_pointer;
  call.first = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start_);
  calls_.push_back(std::move(call));
}

// What the profile itself says of a call that was handed over only to be watched. Registers do not change while their
// thread waits, so letting it go on lets through what was looked at.
std::uint32_t Denials::profile_says(const seccomp_data& data) const {
  return watched_.program.empty() ? SECCOMP_RET_USER_NOTIF : seccomp_profiles::evaluate(watched_, data);
}

EndedBySupervisor Denials::judge(const seccomp_notif& request) {
  const std::uint32_t answer = profile_says(request.data);
  const bool allowed = (answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW;
  const bool quiet = (answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
  if (observer_) observer_->handed_over({static_cast<std::int32_t>(request.pid), request.data, !allowed});
  if (!allowed && !quiet) return deny(request);
  seccomp_notif_resp response{};
  response.id = request.id;
  if (allowed)
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  else
    response.error = -static_cast<int>(answer & SECCOMP_RET_DATA);
  (void)listener_ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &response);  // as in deny()
  return EndedBySupervisor::none;
}

// A call whose run ends stays unanswered: it must not return before the kill arrives.
EndedBySupervisor Denials::deny(const seccomp_notif& request) {
  note(request.data);
  if (is_foreign(request.data)) return EndedBySupervisor::foreign_call;
  if (++total_ > kMost) return EndedBySupervisor::denied_call_flood;
  if (on_denied_ == OnDenied::kill) return EndedBySupervisor::denied_call;
  seccomp_notif_resp answer{};
  answer.id = request.id;
  answer.error = -EPERM;
  // ENOENT: the caller died meanwhile. Nothing else can be done about any failure here.
  (void)listener_ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  return EndedBySupervisor::none;
}

EndedBySupervisor Denials::serve() {
  const auto enough = std::chrono::steady_clock::now() + kBatchTime;
  for (int served = 0; served < kBatch && is_pending(listener_); ++served) {
    if (served > 0 && std::chrono::steady_clock::now() > enough) break;
    seccomp_notif request{};
    // ENOENT: the caller was killed between poll and here.
    if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) break;
    if (const EndedBySupervisor reason = judge(request); reason != EndedBySupervisor::none) return reason;
  }
  return EndedBySupervisor::none;
}

}  // namespace sandbox_run::launch
