#include "ingest/ingest.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/path.h"
#include "ingest/content_kind.h"
#include "ingest/names.h"
#include "ingest/sources.h"

namespace sandbox_run::ingest {
namespace {

constexpr const char* kAccepted =
    "a module's directory, a package inside one, .go files, an archive (.zip, .tar, .tar.gz, .tar.zst, .txtar), "
    "module@version, or - for standard input";

std::string without_wildcard(const std::string& source) {
  if (source == "...") return ".";
  return source.ends_with("/...") ? source.substr(0, source.size() - 4) : source;
}

Error missing(const std::string& source, int error) {
  if (error == ENOENT && is_module_version(source))
    return input_error(fmt::format("{} is a module on a proxy: run again with --fetch", escape(source)));
  return input_error(error, fmt::format("cannot find SOURCE \"{}\" (looked for {})", escape(source), kAccepted));
}

// "app.zip/cmd/tool" → "app.zip" and "cmd/tool", where app.zip is a file; other sources as they are.
std::pair<std::string, std::string> split_archive(const std::string& source) {
  struct stat info {};
  if (::stat(source.c_str(), &info) == 0 || errno != ENOTDIR) return {source, ""};
  for (std::size_t slash = source.find('/', 1); slash != std::string::npos; slash = source.find('/', slash + 1)) {
    const std::string front = source.substr(0, slash);
    if (::stat(front.c_str(), &info) == 0 && S_ISREG(info.st_mode)) return {front, source.substr(slash + 1)};
  }
  return {source, ""};
}

enum class Form { directory, go_file, other_file };

Result<Form> form_of(const std::string& source) {
  struct stat info {};
  if (::stat(without_wildcard(source).c_str(), &info) != 0) return missing(source, errno);
  if (S_ISDIR(info.st_mode)) return Form::directory;
  const std::string base(base_name(source));
  if (kind_of_name(base) == ContentKind::go || base == "go.mod" || base == "go.sum") return Form::go_file;
  return Form::other_file;
}

}  // namespace

Result<Submission> snapshot(const Request& request, const std::string& workspace, Narrator& narrator) {
  Context context{request, workspace, narrator, request.package};
  const auto& sources = request.sources;
  if (sources.empty()) return input_error(fmt::format("no SOURCE is given; name {}", kAccepted));
  if (std::find(sources.begin(), sources.end(), "-") != sources.end()) {
    if (sources.size() > 1)
      return input_error("- (standard input) cannot be combined with other SOURCEs; give it alone");
    return snapshot_standard_input(context);
  }
  if (sources.size() == 1) {
    const auto [archive, inside] = split_archive(sources.front());
    if (archive != sources.front()) {
      context.inside = inside;
      return snapshot_archive_file(context, archive);
    }
  }
  TRY(const Form first, form_of(sources.front()));
  for (const std::string& source : sources) {
    TRY(const Form form, form_of(source));
    if (sources.size() > 1 && form != Form::go_file)
      return input_error(
          fmt::format("\"{}\" cannot be combined with other SOURCEs: only .go files can be given together; the "
                      "program's own arguments stand behind --",
                      escape(source)));
  }
  switch (first) {
    case Form::directory:
      return snapshot_directory(context, sources.front());
    case Form::go_file:
      return snapshot_files(context, sources);
    case Form::other_file:
      return snapshot_archive_file(context, sources.front());
  }
  return self_error("ingest: a SOURCE of no form");
}

bool is_module_version(const std::string& source) {
  const std::size_t at = source.find('@');
  if (at == std::string::npos || at == 0 || at + 1 == source.size()) return false;
  const auto all_of = [](std::string_view text, std::string_view extra) {
    return std::all_of(text.begin(), text.end(), [&](char c) {
      return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
             extra.find(c) != std::string_view::npos;
    });
  };
  const std::string_view path = std::string_view(source).substr(0, at);
  const std::string_view host = path.substr(0, path.find('/'));
  // The first element of a module path is a domain name: lower case, with a dot, not starting with one.
  if (host.find('.') == std::string_view::npos || host.front() == '.' || host.front() == '-') return false;
  if (!all_of(path, "-._~/") || !all_of(std::string_view(source).substr(at + 1), "-._+")) return false;
  struct stat info {};
  return ::lstat(source.c_str(), &info) != 0;
}

}  // namespace sandbox_run::ingest
