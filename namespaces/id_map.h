// IdMap: which host ids stand behind a user namespace's ids. Source: user_namespaces(7).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace sandbox_run::namespaces {

struct IdMapping {
  std::uint32_t inside = 0;
  std::uint32_t outside = 0;  // in the writer's user namespace
  std::uint32_t count = 1;
};

// Writes setgroups ("deny", first: a group the child belonged to cannot be shed), gid_map and uid_map of `child`.
// REQUIRES: CAP_SETUID and CAP_SETGID over the parent namespace, or a single mapping of the writer's own ids.
Status write_id_maps(pid_t child, const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids);

}  // namespace sandbox_run::namespaces
