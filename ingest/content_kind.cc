#include "ingest/content_kind.h"

#include <algorithm>

#include "base/text.h"
#include "ingest/go_text.h"
#include "ingest/name_key.h"
#include "ingest/txtar.h"

namespace sandbox_run::ingest {
namespace {

using namespace std::string_view_literals;

// A tar header's checksum: the sum of its 512 bytes with the checksum field itself as blanks (POSIX ustar).
bool is_tar_header(std::string_view front) {
  if (front.size() < 512) return false;
  unsigned long stated = 0, sum = 0;
  bool digits = false;
  for (std::size_t i = 148; i < 156; ++i) {
    const char c = front[i];
    if (c >= '0' && c <= '7') {
      stated = stated * 8 + static_cast<unsigned long>(c - '0');
      digits = true;
    } else if (digits) {
      break;
    } else if (c != ' ') {
      return false;
    }
  }
  for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(front[i]);
  return digits && sum == stated;
}

bool is_text(std::string_view front) {
  constexpr std::size_t kLongestCodePoint = 4;
  std::string_view rest = front;
  while (!rest.empty()) {
    if (rest.front() == '\0') return false;
    if (!next_code_point(rest))
      return rest.size() < kLongestCodePoint && rest.size() < front.size();  // cut in its middle
  }
  return true;
}

ContentKind kind_of_text(std::string_view front) {
  if (!is_text(front)) return ContentKind::binary;
  const bool go = !package_clause(front).empty();
  const std::size_t marker = find_marker(front);
  if (marker != std::string_view::npos && !(go && inside_literal(front, marker))) return ContentKind::text_archive;
  return go ? ContentKind::go : ContentKind::text;
}

}  // namespace

ContentKind content_kind(std::string_view front) {
  if (front.empty()) return ContentKind::empty;
  if (front.starts_with("PK\x03\x04"sv) || front.starts_with("PK\x05\x06"sv)) return ContentKind::zip;
  if (front.starts_with("\x1f\x8b"sv)) return ContentKind::tar_gz;
  if (front.starts_with("\x28\xb5\x2f\xfd"sv)) return ContentKind::tar_zst;
  if (front.starts_with("\x7f"
                        "ELF"sv))
    return ContentKind::elf;
  for (std::string_view magic : {"BZh"sv,
                                 "\xfd"
                                 "7zXZ\0"sv,
                                 "7z\xbc\xaf\x27\x1c"sv, "Rar!\x1a\x07"sv, "PK\x07\x08"sv})
    if (front.starts_with(magic)) return ContentKind::unsupported_archive;
  if (is_tar_header(front)) return ContentKind::tar;
  // An archive of no entries is nothing but zero blocks.
  if (front.size() >= 1024 && std::all_of(front.begin(), front.begin() + 1024, [](char c) { return c == 0; }))
    return ContentKind::tar;
  if (front.starts_with("#!")) return ContentKind::script;
  return kind_of_text(front);
}

const char* describe(ContentKind kind) {
  switch (kind) {
    case ContentKind::empty:
      return "empty";
    case ContentKind::go:
      return "Go source";
    case ContentKind::text_archive:
      return "a text archive (txtar)";
    case ContentKind::zip:
      return "a zip archive";
    case ContentKind::tar:
      return "a tar archive";
    case ContentKind::tar_gz:
      return "gzip data";
    case ContentKind::tar_zst:
      return "Zstandard data";
    case ContentKind::elf:
      return "a compiled program (ELF)";
    case ContentKind::script:
      return "a script";
    case ContentKind::unsupported_archive:
      return "an archive of a kind that is not supported";
    case ContentKind::binary:
      return "binary data of no known kind";
    case ContentKind::text:
      return "text without a Go package clause";
  }
  return "";
}

ContentKind kind_of_name(std::string_view name) {
  const std::string key = name_key(name);
  const auto ends = [&](std::string_view suffix) { return key.ends_with(suffix); };
  if (ends(".go")) return ContentKind::go;
  if (ends(".zip")) return ContentKind::zip;
  if (ends(".tar")) return ContentKind::tar;
  if (ends(".tar.gz") || ends(".tgz")) return ContentKind::tar_gz;
  if (ends(".tar.zst") || ends(".tzst")) return ContentKind::tar_zst;
  if (ends(".txtar")) return ContentKind::text_archive;
  if (ends(".tar.bz2") || ends(".tbz2") || ends(".tar.xz") || ends(".txz") || ends(".7z") || ends(".rar"))
    return ContentKind::unsupported_archive;
  return ContentKind::binary;
}

}  // namespace sandbox_run::ingest
