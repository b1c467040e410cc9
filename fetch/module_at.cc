#include "fetch/module_at.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "sum-verify/module_path.h"
#include "sum-verify/module_zip.h"
#include "sum-verify/semver.h"

namespace sandbox_run::fetch {

namespace {

using sum_verify::ModuleVersion;

struct Query {
  std::string path;  // of a package
  std::string version;
};

struct Found {
  ModuleVersion module;
  UniqueFd zip;
  sum_verify::ModuleZipContent content;
};

Result<Query> parse_query(const std::string& text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string::npos || at == 0 || at + 1 == text.size())
    return input_error("'" + text + "' is no module@version; write it like example.org/module@v1.2.3");
  Query query{text.substr(0, at), text.substr(at + 1)};
  if (Status good = sum_verify::check_import_path(query.path); !good)
    return input_error("cannot take " + text + ": " + good.error().what);
  return query;
}

// "a.b/c/d" → "a.b/c/d", "a.b/c", "a.b": those that are good module paths, longest first.
std::vector<std::string> module_candidates(const std::string& path) {
  std::vector<std::string> candidates;
  for (std::string prefix = path;; prefix.resize(prefix.rfind('/'))) {
    if (sum_verify::check_module_path(prefix)) candidates.push_back(prefix);
    if (prefix.find('/') == std::string::npos) return candidates;
  }
}

// ---- versions that are not exact: refused, with the exact one named ----

std::string version_of_info(const std::string& info) {
  const nlohmann::json parsed = nlohmann::json::parse(info, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("Version") || !parsed["Version"].is_string()) return "";
  const std::string version = parsed["Version"];
  return sum_verify::canonical_version(version) == version ? version : "";
}

// The highest of a @v/list that begins with "v", "v1." or "v1.2."; a release before a pre-release.
std::string best_of_list(const std::string& path, const std::string& list, const std::string& prefix) {
  std::string best;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find('\n', begin), list.size());
    const std::string version = list.substr(begin, end - begin);
    begin = end + 1;
    const auto parsed = sum_verify::parse_semver(version);
    if (!parsed || !version.starts_with(prefix) || !sum_verify::check_module_version({path, version})) continue;
    const auto chosen = sum_verify::parse_semver(best);
    const bool release = parsed->prerelease.empty(), best_is_release = chosen && chosen->prerelease.empty();
    if (!chosen || (release && !best_is_release) ||
        (release == best_is_release && sum_verify::compare_semver(version, best) > 0))
      best = version;
  }
  return best;
}

// What the query stands for now in the module `path`; empty where it stands for nothing.
Result<std::string> version_in(const std::string& path, const std::string& wanted, Modules& modules) {
  const bool latest = wanted == "latest", is_short = sum_verify::parse_semver(wanted).has_value();
  std::string version;
  if (latest || is_short) {  // as in cmd/go, @latest is for modules without a tagged version
    TRY(std::optional<std::string> list, modules.query(path, "@v/list"));
    if (list) version = best_of_list(path, *list, latest ? "v" : wanted + ".");
  }
  if (!version.empty() || is_short) return version;
  TRY(std::optional<std::string> info, modules.query(path, latest ? "@latest" : "@v/" + wanted + ".info"));
  return info ? version_of_info(*info) : "";
}

Result<std::string> candidate_version(const Query& query, Modules& modules) {
  if (query.version.find_first_of("/%?#") != std::string::npos) return std::string();  // no part of a URL's path
  bool answered = false;
  for (const std::string& path : module_candidates(query.path)) {
    Result<std::string> version = version_in(path, query.version, modules);
    if (version && !version->empty()) return version;
    if (!version && !answered) return version.error();  // the network; later ones may be refused for being no module
    answered = true;
  }
  return std::string();
}

Error inexact_version(const Query& query, Modules& modules) {
  std::string message = fmt::format(
      "cannot take {}@{}: the version must be exact, because what it stands for may change", query.path, query.version);
  if (std::string canonical = sum_verify::canonical_version(query.version);
      !canonical.empty() && !sum_verify::parse_semver(query.version)->is_short)
    return input_error(fmt::format("{}; run again with {}@{}", message, query.path, canonical));
  if (!modules.options().may_fetch)
    return input_error(message + "; write it like @v1.2.3 (with --fetch, the version it stands for now is looked up)");
  Result<std::string> candidate = candidate_version(query, modules);
  if (!candidate) return candidate.error();
  if (candidate->empty()) return input_error(message + ", and no module proxy of GOPROXY knows such a version");
  return input_error(
      fmt::format("{}; now it is {}: run again with {}@{}", message, *candidate, query.path, *candidate));
}

// ---- the module ----

bool has_package(const sum_verify::ModuleZipContent& content, const ModuleVersion& module, const std::string& package) {
  const std::string directory =
      module.path + "@" + module.version + "/" + (package == "." ? "" : package.substr(2) + "/");
  return std::any_of(content.files.begin(), content.files.end(), [&](const sum_verify::HashedFile& file) {
    return file.name.starts_with(directory) && file.name.ends_with(".go") &&
           file.name.find('/', directory.size()) == std::string::npos;
  });
}

std::string package_within(const std::string& path, const std::string& module_path) {
  return path == module_path ? "." : "." + path.substr(module_path.size());
}

// Takes `found` from a zip that is at hand, where it has the package; else `lacking` gets the module's name.
Status consider(const Query& query, const ModuleVersion& module, UniqueFd zip, std::optional<Found>& found,
                std::string& lacking) {
  TRY(sum_verify::ModuleZipContent content, sum_verify::hash_module_zip(zip.get(), module));
  if (has_package(content, module, package_within(query.path, module.path))) {
    found.emplace(Found{module, std::move(zip), std::move(content)});
  } else {
    lacking = module.path + "@" + module.version;
  }
  return {};
}

// Longest candidate first, on this machine before anywhere else. nullopt: nowhere.
// `lacking` gets the name of a module that is known but does not have the package.
Result<std::optional<Found>> find(const Query& query, const std::vector<std::string>& candidates, Modules& modules,
                                  std::string& lacking) {
  std::vector<ModuleVersion> possible;
  for (const std::string& path : candidates)  // "/v2" asked for as v1.0.0: the next shorter may be it
    if (sum_verify::check_module_version({path, query.version})) possible.push_back({path, query.version});
  std::optional<Found> found;
  for (const ModuleVersion& module : possible) {
    TRY(std::optional<UniqueFd> zip, modules.zip_on_this_machine(module));
    if (zip) TRY_STATUS(consider(query, module, std::move(*zip), found, lacking));
    if (found) return found;
  }
  if (!modules.options().may_fetch) return found;
  // As in cmd/go, prefixes are asked for by their .info; some proxies refuse (403) the zips of what is no module.
  std::optional<Error> first_error;
  bool absent = false;
  for (const ModuleVersion& module : possible) {
    Result<bool> known = modules.is_on_proxy(module);
    if (!known && !first_error) first_error = known.error();
    if (known && !*known) absent = true;
    if (!known || !*known) continue;
    TRY(std::optional<UniqueFd> zip, modules.zip(module));
    if (zip) TRY_STATUS(consider(query, module, std::move(*zip), found, lacking));
    if (found) return found;
  }
  if (first_error && !absent) return *first_error;
  return found;
}

// The module path that a stored entry with this pin has, so that nothing needs to be asked for.
std::string stored_module_path(const Query& query, const std::string& hex, Modules& modules) {
  Result<std::string> line = read_file(modules.options().state_directory + "/modules/" + hex + "/module", Bytes{65536});
  if (!line || !line->ends_with(" " + query.version + "\n")) return "";
  const std::string path = line->substr(0, line->find(' '));
  return query.path == path || query.path.starts_with(path + "/") ? path : "";
}

Error not_found(const Query& query, const std::vector<std::string>& candidates, const std::string& lacking,
                Modules& modules) {
  const std::string attempt = fmt::format("cannot find {}@{}", query.path, query.version);
  if (!lacking.empty())
    return input_error(fmt::format("{}: the module {} has no Go files in that directory", attempt, lacking));
  if (!modules.options().may_fetch)
    return input_error(attempt + " in the store or the host's module cache; run again with --fetch");
  for (const std::string& path : candidates)
    if (sum_verify::check_module_version({path, query.version}))
      return input_error(attempt + ": " + modules.how_to_get({path, query.version}));
  return input_error(
      attempt +
      ": no part of that path is a module path that goes with the version (from v2 on a module's path ends "
      "in its major version, as in example.org/tool/v2)");
}

Result<ModuleAt> take_apart(Found found, const std::string& package, bool pinned, Modules& modules) {
  ModuleAt result;
  result.module = found.module;
  result.package = package;
  result.h1 = found.content.h1;
  result.pinned = pinned;
  if (pinned) {
    TRY(result.directory, modules.extract(found.module, found.zip.get(), result.h1));
    return result;
  }
  // Nothing vouches for it: it gets a place that goes with this run, and none in the store.
  TRY(std::string hex, hex_of_h1(result.h1));
  const std::string id = fmt::format("module-{}-{}", ::getpid(), hex.substr(0, 16));
  TRY(result.scratch, store::RunDirectory::create(modules.options().state_directory, id));
  result.directory = result.scratch->path() + "/tree";
  if (::mkdir(result.directory.c_str(), 0755) != 0) return host_error(errno, "cannot create " + result.directory);
  TRY(UniqueFd tree, open_path(result.directory, O_RDONLY | O_DIRECTORY));
  TRY_STATUS(sum_verify::extract_module_zip(found.zip.get(), found.module, result.h1, tree.get()));
  return result;
}

}  // namespace

Result<ModuleAt> module_at(const std::string& text, const std::string& pin, bool unpinned, Modules& modules) {
  TRY(Query query, parse_query(text));
  if (sum_verify::canonical_version(query.version) != query.version) return inexact_version(query, modules);
  std::vector<std::string> candidates = module_candidates(query.path);
  if (!pin.empty()) {
    Result<std::string> hex = hex_of_h1(pin);
    if (!hex) return input_error("--pin: " + hex.error().what);
    if (std::string path = stored_module_path(query, *hex, modules); !path.empty()) {
      candidates = {path};
      modules.expect(path + " " + query.version + " " + pin);
    }
  }
  std::string lacking;
  TRY(std::optional<Found> found, find(query, candidates, modules, lacking));
  if (!found) return not_found(query, candidates, lacking, modules);
  const std::string name = found->module.path + "@" + found->module.version;
  if (!pin.empty() && found->content.h1 != pin)
    return input_error(
        fmt::format("verifying {}: checksum mismatch: downloaded {}, --pin {}; what was fetched is not what was "
                    "pinned, and nothing of it is used",
                    name, found->content.h1, pin));
  if (pin.empty() && !unpinned)
    return input_error(
        fmt::format("nothing vouches for {}; if you know it to be what you want, run again with --pin {} (its computed "
                    "hash), or with --unpinned",
                    name, found->content.h1));
  const std::string package = package_within(query.path, found->module.path);
  return take_apart(std::move(*found), package, !pin.empty(), modules);
}

}  // namespace sandbox_run::fetch
