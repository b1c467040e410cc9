// Module zips: no bytes crash the reader, and what is unpacked hashes to what was verified and stays in its directory.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/files.h"
#include "sum-verify/module_zip.h"

namespace {

// Only small archives are unpacked: the fuzzer looks for bad shapes, not for full disks.
constexpr std::uint64_t kWorthUnpacking = 64 << 10;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run;
  using namespace sandbox_run::sum_verify;
  const UniqueFd zip(::memfd_create("zip", MFD_CLOEXEC));
  if (!write_all(zip.get(), {reinterpret_cast<const char*>(data), size}, "zip")) std::abort();
  const ModuleVersion module{"example.org/m", "v1.0.0"};
  const auto content = hash_module_zip(zip.get(), module);
  if (!content || content->bytes > kWorthUnpacking || content->files.size() > 64) return 0;
  std::string pattern = std::filesystem::temp_directory_path().string() + "/module-zip-fuzz-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  {
    const auto outer = open_path(pattern, O_RDONLY | O_DIRECTORY);
    if (!outer || ::mkdirat(outer->get(), "tree", 0755) != 0) std::abort();
    const auto tree = open_beneath(outer->get(), "tree", O_RDONLY | O_DIRECTORY, kResolveStrict);
    if (!tree || !extract_module_zip(zip.get(), module, content->h1, tree->get())) std::abort();
    const auto everything = hash_tree(outer->get(), "", kWorthUnpacking * 2);
    const auto written = hash_tree(tree->get(), "example.org/m@v1.0.0", kWorthUnpacking * 2);
    if (!everything || !written || everything->size() != written->size()) std::abort();
    std::vector<HashedFile> files;
    for (const HashedFile& file : content->files) {
      if (!file.name.ends_with('/')) files.push_back(file);
    }
    if (!first_difference(files, *written).empty()) std::abort();
  }
  std::filesystem::remove_all(pattern);
  return 0;
}
