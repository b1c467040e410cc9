// name_key: one string for all spellings of a file name that some file system takes for the same file.
#pragma once

#include <string>
#include <string_view>

namespace sandbox_run::ingest {

// The canonical decomposition (NFD) of the case folding of `name`: equal for names that differ only in case or in
// Unicode normalization. Source: Unicode Standard, 3.11 and 3.13 (D145, canonical caseless matching).
// REQUIRES: `name` is valid UTF-8; bytes that are not are kept as they are.
std::string name_key(std::string_view name);

}  // namespace sandbox_run::ingest
