// HostState: what one process knows of its host and shares among all its sandboxes.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cgroups/cgroup.h"
#include "launch/root_tree.h"

namespace sandbox_run::launch {

// A pair of host ids that no other live sandbox on this machine has, given back when it is destroyed.
class IdentitySlot {
 public:
  IdentitySlot() = default;
  IdentitySlot(IdentitySlot&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}
  IdentitySlot& operator=(IdentitySlot&& other) noexcept;
  ~IdentitySlot();

  // Fails with: Fault::host when this process has kMost live sandboxes.
  static Result<IdentitySlot> take();
  Identity identity() const;

  static constexpr int kMost = 64;

 private:
  explicit IdentitySlot(int slot) : slot_(slot) {}
  int slot_ = -1;
};

struct HostState {
  std::unique_ptr<cgroups::Hierarchy> hierarchy;
  std::string hierarchy_error;  // why there is none; a plan that gives up "cgroup" runs all the same
  UniqueFd init_file;           // the sealed sandbox-init
  int landlock_abi = 0;
  int processors = 1;   // online ones: how fast CPU time can pass
  bool is_root = true;  // of the initial user namespace, or of a container's
};

// What Host::open() opens. Fails with: Fault::host.
Result<HostState> open_host_state();

}  // namespace sandbox_run::launch
