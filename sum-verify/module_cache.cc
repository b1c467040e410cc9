#include "sum-verify/module_cache.h"

#include "sum-verify/module_path.h"

namespace sandbox_run::sum_verify {
namespace {

const char* extension(CacheFile file) {
  switch (file) {
    case CacheFile::info:
      return ".info";
    case CacheFile::mod:
      return ".mod";
    case CacheFile::zip:
      return ".zip";
    case CacheFile::ziphash:
      return ".ziphash";
    case CacheFile::lock:
      return ".lock";
  }
  return "";
}

}  // namespace

Result<std::string> proxy_path(const ModuleVersion& module, CacheFile file) {
  TRY(const std::string path, escape_path(module.path));
  TRY(const std::string version, escape_version(module.version));
  return path + "/@v/" + version + extension(file);
}

Result<std::string> cache_path(const ModuleVersion& module, CacheFile file) {
  TRY(const std::string path, proxy_path(module, file));
  return "cache/download/" + path;
}

Result<std::string> cache_tree_path(const ModuleVersion& module) {
  TRY(const std::string path, escape_path(module.path));
  TRY(const std::string version, escape_version(module.version));
  return path + "@" + version;
}

}  // namespace sandbox_run::sum_verify
