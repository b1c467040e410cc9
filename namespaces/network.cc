#include "namespaces/network.h"

#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstring>
#include <memory>

#include "base/unique_fd.h"

namespace sandbox_run::namespaces {
namespace {

Result<NetworkIdentity> identity_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return host_error(errno, "cannot see the network namespace " + path);
  return NetworkIdentity{status.st_dev, status.st_ino};
}

// A new namespace may have tunnels of the kernel's beside its loopback (net.core.fb_tunnels_only_for_init_net): they
// are down like it.
Status check_nothing_is_up() {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return host_error(errno, "cannot make a socket to list the interfaces of an empty network namespace");
  const std::unique_ptr<struct if_nameindex, decltype(&::if_freenameindex)> interfaces(::if_nameindex(),
                                                                                       &::if_freenameindex);
  if (!interfaces) return host_error(errno, "cannot list the interfaces of an empty network namespace");
  for (const struct if_nameindex* each = interfaces.get(); each->if_index != 0; ++each) {
    ifreq request{};
    std::strncpy(request.ifr_name, each->if_name, IFNAMSIZ - 1);
    if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0)
      return host_error(errno, fmt::format("cannot ask whether interface {} is up", each->if_name));
    if ((request.ifr_flags & IFF_UP) != 0)
      return host_error(
          fmt::format("interface {} of the shared network namespace is up, and nobody should have "
                      "configured it",
                      each->if_name));
  }
  return {};
}

}  // namespace

Result<NetworkIdentity> own_network() { return identity_of("/proc/thread-self/ns/net"); }
Result<NetworkIdentity> network_of(pid_t process) { return identity_of(fmt::format("/proc/{}/ns/net", process)); }

Result<EmptyNetwork> EmptyNetwork::enter() {
  if (::unshare(CLONE_NEWNET) != 0) return host_error(errno, "cannot make a network namespace");
  TRY(const NetworkIdentity identity, own_network());
  TRY_STATUS(check_nothing_is_up());
  return EmptyNetwork(identity);
}

Status EmptyNetwork::verify(pid_t process) const {
  TRY(const NetworkIdentity seen, network_of(process));
  if (seen != identity_) return host_error("the program is in another network namespace than its pool's");
  return check_nothing_is_up();
}

}  // namespace sandbox_run::namespaces
