// Script: a plan lowered to the rows that init and pid 2 perform. Pure: host facts come in as data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "launch/exchange.h"
#include "launch/mount_plan.h"
#include "launch/plan.h"
#include "launch/root_tree.h"
#include "launch/walls.h"

namespace sandbox_run::launch {

struct ScriptRow {
  Step step = Step::init_script;
  bool is_optional = false;
  std::string text;
  std::int64_t a = 0, b = 0, c = 0;
  std::string shown;  // arguments in words, for --dry-run
};

// A mount as pid 2 attaches it: positions among the launch's descriptors.
struct AttachedMount {
  std::size_t planned = 0;  // index into MountPlan::mounts
  int mount = 0;
  int layers = 0;  // overlay only
};

struct LoweringFacts {
  int landlock_abi = 0;  // 0: none
  bool has_setup_identity = true;
  int root = kFirstMountFd;
  std::vector<AttachedMount> mounts;
  int first_join_file = 0, join_files = 0;  // `tasks` files of cgroup v1
};

std::vector<ScriptRow> lower(const Plan& plan, const MountPlan& mounts, const LoweringFacts& facts);

bool gives_up(const Plan& plan, Wall wall);
// Fails with: Fault::input on a name in `weaken` or `require` that is none, listing the names there are.
Status check_names(const Plan& plan);
// Fails with: Fault::host where a hardening that the plan requires has no row, for the host has not got it at all.
Status check_required(const Plan& plan, const std::vector<ScriptRow>& rows);

// Writes rows, texts and filter into the exchange's memory. Fails with: Fault::input where the filter is too long.
Status encode(const std::vector<ScriptRow>& rows, const std::vector<sock_filter>& filter, std::uint32_t pause_number,
              const Plan& plan, Exchange* exchange);

}  // namespace sandbox_run::launch
