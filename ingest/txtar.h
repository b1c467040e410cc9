// txtar: text archives, "-- name --" lines with each file's text below them.
// Source: the format of golang.org/x/tools/txtar (and of the Go playground's files).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::ingest {

struct TextArchive {
  struct File {
    std::string_view name;  // into the parsed text; untrusted
    std::string_view content;
    bool add_newline = false;  // the text lacks its last newline, which the format supplies
  };
  std::string_view comment;  // the text before the first marker
  std::vector<File> files;   // in order, duplicates included
};

// Never fails: text without a marker is all comment, as the format says. Views point into `text`.
TextArchive parse_txtar(std::string_view text);

// The offset of the first marker line at or after `from` (which is the start of a line), or npos.
std::size_t find_marker(std::string_view text, std::size_t from = 0);

}  // namespace sandbox_run::ingest
