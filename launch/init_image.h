// The bytes of the sandbox-init executable, embedded.
#pragma once

#include <string_view>

namespace sandbox_run::launch {

std::string_view init_image();

}  // namespace sandbox_run::launch
