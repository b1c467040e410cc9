// Network: which network namespace a process is in, and an empty one that sandboxes may share.
// Source: network_namespaces(7).
#pragma once

#include <sys/types.h>

#include "base/result.h"

namespace sandbox_run::namespaces {

struct NetworkIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const NetworkIdentity&) const = default;
};

// Of the calling thread; of a process, which takes CAP_SYS_PTRACE over it.
Result<NetworkIdentity> own_network();
Result<NetworkIdentity> network_of(pid_t process);

// A network namespace that nothing ever configured: its loopback is down, and it belongs to the user namespace of the
// thread that made it, so nobody has a capability over it who came into a user namespace below.
class EmptyNetwork {
 public:
  // Moves the calling thread into a new one for good; the other threads of the process stay where they are. What the
  // thread clones without CLONE_NEWNET is in it too. REQUIRES: CAP_SYS_ADMIN. Fails with: Fault::host.
  static Result<EmptyNetwork> enter();

  // That the process is in this one, and that no interface in it is up. Thread: the one that entered.
  // Fails with: Fault::host.
  Status verify(pid_t process) const;

  const NetworkIdentity& identity() const { return identity_; }

 private:
  explicit EmptyNetwork(const NetworkIdentity& identity) : identity_(identity) {}
  NetworkIdentity identity_;
};

}  // namespace sandbox_run::namespaces
