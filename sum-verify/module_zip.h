// Module zips: hashing, checking and unpacking what module proxies serve. Rules: golang.org/x/mod/zip.
//
// Errors of this file: Fault::input is the zip's (sys_errno EFBIG: a limit, else malformed), Fault::host the machine's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sum-verify/dirhash.h"
#include "sum-verify/verified_tree.h"
#include "sum-verify/zip_archive.h"

namespace sandbox_run::sum_verify {

constexpr std::uint64_t kMaxZipBytes = 500ull << 20;   // the zip itself, and the sum of what it holds
constexpr std::uint64_t kMaxGoModBytes = 16ull << 20;  // a zip's go.mod; its LICENSE too
constexpr std::uint64_t kMaxZipEntries = 1'000'000;    // ours: Go has none

struct ModuleZipContent {
  std::string h1;                     // "h1:…" over all entries, directory entries included, as HashZip counts them
  std::vector<HashedFile> files;      // sorted by name; names with the "path@version/" prefix
  std::uint64_t bytes = 0;            // uncompressed
  std::optional<std::string> go_mod;  // the text of the root's go.mod
};

// Checks names, sizes and limits of the archive's directory; reads no content. Fails with: see above.
Status check_module_zip(const ZipArchive& archive, const ModuleVersion& module);

// Hashes all content, whatever the entries are called; two threads inflate. For telling a wrong hash from a broken
// rule. Fails with: see above; EFBIG where the declared sizes sum to more than kMaxZipBytes.
Result<ModuleZipContent> hash_zip_content(const ZipArchive& archive, const ModuleVersion& module);

// Opens, checks and hashes. Fails with: see above.
Result<ModuleZipContent> hash_module_zip(int zip_fd, const ModuleVersion& module);

// Unpacks into the directory `dir_fd` (ours, empty), files 0444 and directories 0755, hashing what it writes; the
// "path@version/" prefix is stripped. Afterwards make the directories 0555 if you like, then publish by rename.
// Fails with: see above; and Fault::input where what was written does not hash to `h1`, because the zip may have
// changed since it was verified. On failure the caller removes the directory.
Status extract_module_zip(int zip_fd, const ModuleVersion& module, const std::string& h1, int dir_fd);

}  // namespace sandbox_run::sum_verify
