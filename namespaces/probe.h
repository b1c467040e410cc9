// Probes of what a host gives, by doing: each asks a short-lived child for the thing itself.
#pragma once

#include "base/result.h"

namespace sandbox_run::namespaces {

// A child makes a user namespace and in it the namespaces of `clone_flags` (CLONE_NEW*), then leaves.
// Fails with: Fault::host and the errno that the kernel gave.
Status probe_namespaces(int clone_flags);

}  // namespace sandbox_run::namespaces
