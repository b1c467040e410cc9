// content_kind: what bytes are, told from the bytes alone; a name is only what someone calls them.
#pragma once

#include <string>
#include <string_view>

namespace sandbox_run::ingest {

enum class ContentKind {
  empty,
  go,
  text_archive,
  zip,
  tar,
  tar_gz,
  tar_zst,
  elf,
  script,
  unsupported_archive,
  binary,
  text
};

// From the front of the content: at least its first 64 KiB, or all of it. tar_gz and tar_zst say that the compression
// is gzip or Zstandard; what is inside shows when it is unpacked. Text is `go` when a package clause comes before
// anything else, `text_archive` when a txtar marker line stands outside Go's literals and comments.
ContentKind content_kind(std::string_view front);

// For messages: "a zip archive", "Go source", …
const char* describe(ContentKind kind);

// The kind a file name's extension promises; `binary` where it promises nothing.
ContentKind kind_of_name(std::string_view name);

}  // namespace sandbox_run::ingest
