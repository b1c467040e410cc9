#include "sum-verify/build_list.h"

#include <algorithm>

#include "sum-verify/go_version.h"
#include "sum-verify/semver.h"

namespace sandbox_run::sum_verify {
namespace {

constexpr std::size_t kMaxGraphNodes = 100'000;

bool supports_pruning(const GoMod& mod) { return compare_go_versions(mod.go.text, "1.17") >= 0; }

}  // namespace

BuildList::BuildList(const MainModule& main, Evidence& evidence, Findings& findings)
    : main_(main), evidence_(evidence), findings_(findings) {
  for (const GoModRequire& root : main.mod().require) {
    if (!main.is_excluded(root.module)) require(root.module);
  }
}

void BuildList::require(const ModuleVersion& module) {
  if (module.path == main_.path()) return;
  const auto [entry, fresh] = selected_.try_emplace(module.path, module.version);
  if (!fresh && compare_semver(entry->second, module.version) < 0) entry->second = module.version;
}

// A root's own requirements count although only unpruned ones are followed further: with pruning, what a root requires
// is all that matters below it.
Status BuildList::load_graph(Need need) {
  if (loaded_ && need == Need::optional) return {};
  loaded_ = true;
  std::vector<Visit> queue;
  std::set<std::pair<ModuleVersion, bool>> seen;
  const auto enqueue = [&](const ModuleVersion& module, bool unpruned) {
    if (module.path == main_.path() || main_.is_excluded(module)) return;
    if (seen.emplace(module, unpruned).second) queue.push_back({module, unpruned});
  };
  for (const GoModRequire& root : main_.mod().require) enqueue(root.module, !main_.pruned());
  for (std::size_t next = 0; next < queue.size(); ++next) {
    if (queue.size() > kMaxGraphNodes) {
      findings_.add(FindingCode::SV503, "the module graph has more than " + std::to_string(kMaxGraphNodes) + " nodes");
      return {};
    }
    const Visit visit = queue[next];
    TRY(const KnownGoMod* known, evidence_.go_mod(visit.module, need));
    if (known == nullptr) continue;
    const bool follow = visit.unpruned || !supports_pruning(known->mod);
    for (const GoModRequire& requirement : known->mod.require) {
      if (main_.is_excluded(requirement.module)) continue;
      require(requirement.module);
      if (follow) enqueue(requirement.module, true);
    }
  }
  return {};
}

std::optional<std::string> BuildList::selected(const std::string& path) const {
  const auto found = selected_.find(path);
  return found == selected_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<ModuleVersion> BuildList::all() const {
  std::vector<ModuleVersion> modules;
  for (const auto& [path, version] : selected_) modules.push_back({path, version});
  return modules;
}

}  // namespace sandbox_run::sum_verify
