// Listing a directory: every entry, or an error; never a part that looks like the whole.
#pragma once

#include <dirent.h>

#include <functional>
#include <string>

#include "base/result.h"

namespace sandbox_run {

// Calls `visit` with each entry but "." and "..", in the kernel's order, until it fails. `directory` is any descriptor
// of one (O_PATH too); it is opened anew, so its position stays. Entries that `visit` removes are no obstacle. Fails
// with: Fault::host and the errno, naming `name`; whatever `visit` fails with.
Status for_each_entry(int directory, const std::string& name, const std::function<Status(const dirent&)>& visit);
// The same by path. ENOENT where there is none.
Status for_each_entry(const std::string& path, const std::function<Status(const dirent&)>& visit);

}  // namespace sandbox_run
