// zip_check: proves that every reader of a zip archive sees the same entries, before any reader unpacks it.
// Source of the format: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::ingest {

struct ZipEntry {
  std::string name;  // raw, untrusted; without a directory's trailing slash
  bool is_directory = false;
  std::uint64_t size = 0;  // uncompressed
  std::uint64_t compressed_size = 0;
  std::uint64_t offset = 0;  // of its local header
};

// The entries of the archive in the order of their data. Accepted is only what has one reading: one end record at the
// very end, a central directory right before it, local headers that agree with it, and entries that fill the file from
// its first byte without gap or overlap; methods store and deflate; no encryption; regular files and directories.
// Fails with: Fault::input; the message names the entry and what is wrong. More than `most_entries` is refused.
Result<std::vector<ZipEntry>> check_zip(std::string_view archive, std::uint64_t most_entries);

}  // namespace sandbox_run::ingest
