// ControlPage: the memory file through which the supervisor tells a running program's hooks what to do. The program can
// map it to read and nothing else: the file is sealed against writes, other than through the mapping made before.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "hooks/layout.h"
#include "hooks/rules.h"
#include "hooks/shared_memory.h"

namespace sandbox_run::hooks {

class ControlPage {
 public:
  // With the rules published, and the flags of the active ones set.
  // Fails with: Fault::host where the kernel has no F_SEAL_FUTURE_WRITE (before 5.1) or no memory.
  static Result<ControlPage> create(const RuleSet& rules);

  int fd() const { return memory_.fd(); }

  // Conditions, limits and scrubbing take effect at once and as a whole. Flags stay as they are.
  // REQUIRES: as many rules as at first.
  void publish(const RuleSet& rules);

  void set_active(std::uint32_t rule, bool active);
  bool active(std::uint32_t rule) const;

  const SharedMemory& memory() const { return memory_; }

 private:
  explicit ControlPage(SharedMemory memory) : memory_(std::move(memory)) {}

  SharedMemory memory_;
};

}  // namespace sandbox_run::hooks
