// The vocabulary of `explains:`; call_name, call_number and path_argument are in trace.h.
#pragma once

#include <string>
#include <string_view>

namespace sandbox_run::hooks {

// What was probably meant by a word that call_number does not know, as near_name puts it.
std::string near_call(std::string_view name);

}  // namespace sandbox_run::hooks
