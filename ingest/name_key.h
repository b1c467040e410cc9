// name_key: one string for all spellings of a file name that some file system takes for the same file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandbox_run::ingest {

// Decodes the code point at the front of `text` and drops it; nothing where the bytes are not shortest-form UTF-8 of
// a Unicode scalar value (RFC 3629). REQUIRES: text is not empty.
std::optional<char32_t> next_code_point(std::string_view& text);

void append_utf8(std::string& text, char32_t point);

// The canonical decomposition (NFD) of the case folding of `name`: equal for names that differ only in case or in
// Unicode normalization. Source: Unicode Standard, 3.11 and 3.13 (D145, canonical caseless matching).
// REQUIRES: `name` is valid UTF-8; bytes that are not are kept as they are.
std::string name_key(std::string_view name);

}  // namespace sandbox_run::ingest
