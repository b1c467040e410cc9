// Directories and .go files: what is on the user's own file system.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <set>

#include "base/files.h"
#include "base/path.h"
#include "ingest/copy_tree.h"
#include "ingest/names.h"
#include "ingest/sources.h"

namespace sandbox_run::ingest {
namespace {

Result<std::string> real_path(const std::string& path) {
  std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
  if (!resolved) return input_error(errno, fmt::format("cannot find \"{}\"", escape(path)));
  return std::string(resolved.get());
}

// Whether the name is there at all: a symbolic link counts, and is refused by name when it is copied.
bool holds(const std::string& directory, const char* name) {
  struct stat info {};
  return ::lstat((directory + "/" + name).c_str(), &info) == 0 && !S_ISDIR(info.st_mode);
}

// The nearest directory at or above `start` with a `name`, not above `top`; empty where there is none.
std::string nearest(const std::string& start, const char* name, const std::string& top = "/") {
  for (std::string at = start;; at = parent_of(at)) {
    if (holds(at, name)) return at;
    if (at == top || at == "/") return {};
  }
}

// `path` as seen from `root`: "." or "./a/b". Nothing where it is not below it.
std::optional<std::string> relative(const std::string& root, const std::string& path) {
  if (path == root) return ".";
  const std::string prefix = root == "/" ? "/" : root + "/";
  if (!path.starts_with(prefix)) return std::nullopt;
  return "./" + path.substr(prefix.size());
}

std::string plain(const std::string& relative_path) { return relative_path == "." ? "." : relative_path.substr(2); }

// Where a package sits: the snapshot's root, and the package and its module below it.
struct Place {
  std::string root;  // absolute
  std::string package = ".";
  std::string module = ".";
  bool has_go_mod = false;
};

Result<Place> place_of(const std::string& package_directory, const std::string& root_flag) {
  Place place;
  const std::string module = nearest(package_directory, "go.mod");
  place.has_go_mod = !module.empty();
  place.root = module.empty() ? package_directory : module;
  if (!root_flag.empty()) {
    TRY(place.root, real_path(root_flag));
    const std::string inside =
        relative(place.root, package_directory) ? nearest(package_directory, "go.mod", place.root) : "";
    place.has_go_mod = !inside.empty();
    if (place.has_go_mod) place.module = plain(*relative(place.root, inside));
  }
  const auto package = relative(place.root, package_directory);
  if (!package)
    return input_error(fmt::format("--root {} does not hold \"{}\"; name a directory above it", escape(root_flag),
                                   escape(package_directory)));
  place.package = *package;
  return place;
}

std::string spoken_name(const std::string& source, const std::string& absolute) {
  const bool says_nothing = source.find_first_not_of("./") == std::string::npos;
  return says_nothing ? std::string(base_name(absolute)) : source;
}

void note_workspace_file(const std::string& package_directory, const std::string& root, SnapshotWriter& writer) {
  const std::string at = nearest(package_directory, "go.work");
  if (at.empty()) return;
  const auto inside = relative(root, at);
  writer.drop(fmt::format("ignored {}: the build uses one module and its go.mod",
                          inside ? escape(plain(*inside) == "." ? "go.work" : plain(*inside) + "/go.work")
                                 : "the go.work of a parent directory"));
}

Result<Submission> copy_place(const Context& context, const Place& place, const Selection& selection,
                              const std::string& package_directory) {
  TRY(UniqueFd root, open_directory(place.root));
  TRY(SnapshotWriter writer,
      SnapshotWriter::create(context.destination(), context.request.limits, NameRules::local, context.narrator));
  TRY_STATUS(copy_tree(root.get(), selection, context.request.limits, writer));
  note_workspace_file(package_directory, place.root, writer);
  TRY(SnapshotWriter::Written written, writer.finish());
  Submission submission;
  submission.root = std::move(written.root);
  submission.snapshot_path = context.destination();
  submission.package = place.package;
  submission.module = place.module;
  submission.has_go_mod = place.has_go_mod;
  submission.files = std::move(written.files);
  submission.dropped = std::move(written.dropped);
  return submission;
}

struct NamedFile {
  std::string directory;  // absolute
  std::string name;
};

Result<std::vector<NamedFile>> resolve(const std::vector<std::string>& sources) {
  std::vector<NamedFile> files;
  for (const std::string& source : sources) {
    const std::size_t slash = source.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : source.substr(0, slash);
    TRY(std::string absolute, real_path(directory));
    files.push_back({std::move(absolute), source.substr(slash + 1)});
  }
  return files;
}

// Files alone, without a module around them.
Result<Submission> collect(const Context& context, const std::vector<NamedFile>& files) {
  TRY(SnapshotWriter writer,
      SnapshotWriter::create(context.destination(), context.request.limits, NameRules::local, context.narrator));
  Submission submission;
  for (const NamedFile& file : files) {
    TRY(const UniqueFd directory, open_directory(file.directory));
    TRY_STATUS(copy_file(directory.get(), file.name, file.name, writer));
    if (file.name == "go.mod") submission.has_go_mod = true;
    if (file.name.ends_with(".go")) submission.go_files.push_back(file.name);
  }
  TRY(SnapshotWriter::Written written, writer.finish());
  submission.root = std::move(written.root);
  submission.snapshot_path = context.destination();
  submission.files = std::move(written.files);
  submission.dropped = std::move(written.dropped);
  return submission;
}

}  // namespace

Result<Submission> snapshot_directory(const Context& context, const std::string& source) {
  const bool wildcard = source == "..." || source.ends_with("/...");
  const std::string directory = !wildcard ? source : source == "..." ? "." : source.substr(0, source.size() - 4);
  TRY(const std::string absolute, real_path(directory));
  TRY(const Place place, place_of(absolute, context.request.root));
  TRY(Submission submission, copy_place(context, place, {}, absolute));
  if (submission.files.empty())
    return input_error(fmt::format("\"{}\" holds no files (looked for a go.mod and .go files in {})", escape(source),
                                   escape(place.root)));
  submission.kind = Submission::Kind::directory;
  if (wildcard) submission.package += "/...";
  submission.name = spoken_name(source, absolute);
  return submission;
}

Result<Submission> snapshot_files(const Context& context, const std::vector<std::string>& sources) {
  TRY(const std::vector<NamedFile> files, resolve(sources));
  bool together = true, go_only = true;
  for (const NamedFile& file : files) {
    together = together && file.directory == files.front().directory;
    go_only = go_only && file.name.ends_with(".go");
  }
  std::string name = files.front().name;
  for (std::size_t i = 1; i < files.size(); ++i) name += " " + files[i].name;

  Place place;
  if (together && go_only) {
    TRY(place, place_of(files.front().directory, context.request.root));
  }
  if (!place.has_go_mod) {
    TRY(Submission submission, collect(context, files));
    submission.kind = Submission::Kind::files;
    submission.name = std::move(name);
    return submission;
  }
  Selection selection{plain(place.package), {}};
  for (const NamedFile& file : files) selection.go_files.insert(file.name);
  auto submission = copy_place(context, place, selection, files.front().directory);
  if (!submission && submission.error().fault == Fault::input && context.request.root.empty())
    submission.error().what +=
        fmt::format(" (the whole module of {} is read because of the go.mod in {}; --root sets another top)",
                    escape(name), escape(place.root));
  if (!submission) return submission;
  submission->kind = Submission::Kind::files;
  submission->name = std::move(name);
  const std::string prefix = selection.go_files_directory == "." ? "" : selection.go_files_directory + "/";
  for (const std::string& file : selection.go_files) submission->go_files.push_back(prefix + file);
  return submission;
}

}  // namespace sandbox_run::ingest
