#include "ingest/txtar.h"

#include <algorithm>

namespace sandbox_run::ingest {
namespace {

constexpr std::string_view kBlanks = " \t\v\f\r";

// The name in a marker line (without its newline), or empty where the line is no marker.
std::string_view marker_name(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() < 7 || !line.starts_with("-- ") || !line.ends_with(" --")) return {};
  line = line.substr(3, line.size() - 6);
  const std::size_t first = line.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
}

std::string_view line_at(std::string_view text, std::size_t start) {
  return text.substr(start, std::min(text.find('\n', start), text.size()) - start);
}

}  // namespace

std::size_t find_marker(std::string_view text, std::size_t from) {
  while (from < text.size()) {
    const std::string_view line = line_at(text, from);
    if (!marker_name(line).empty()) return from;
    from += line.size() + 1;
  }
  return std::string_view::npos;
}

TextArchive parse_txtar(std::string_view text) {
  TextArchive archive;
  std::size_t at = find_marker(text);
  archive.comment = text.substr(0, at);
  while (at != std::string_view::npos) {
    const std::string_view line = line_at(text, at);
    const std::size_t start = std::min(at + line.size() + 1, text.size());
    at = find_marker(text, start);
    TextArchive::File file;
    file.name = marker_name(line);
    file.content = text.substr(start, at == std::string_view::npos ? at : at - start);
    file.add_newline = !file.content.empty() && !file.content.ends_with('\n');
    archive.files.push_back(file);
  }
  return archive;
}

}  // namespace sandbox_run::ingest
