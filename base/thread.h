// start_thread: a thread that leaves the process's signals to the thread that asked for it.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/result.h"

namespace sandbox_run {

// `purpose` is what the message calls it: "the thread that …". Every signal is blocked in it: there it would interrupt
// work and reach no handler that expects it.
// Fails with: Fault::host where the host makes no thread; std::thread itself would throw.
Result<std::thread> start_thread(const std::string& purpose, std::function<void()> work);

}  // namespace sandbox_run
