// Archives: what comes out of one, and which of its directories is the module.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/helper_program.h"
#include "base/path.h"
#include "ingest/go_text.h"
#include "ingest/names.h"
#include "ingest/snapshot_writer.h"
#include "ingest/sources.h"
#include "ingest/txtar.h"
#include "ingest/unarchive.h"

namespace sandbox_run::ingest {
namespace {

bool is_or_ends_in(const std::string& path, const std::string& base) {
  return path == base || path.ends_with("/" + base);
}

std::string joined(const std::vector<std::string>& items) {
  constexpr std::size_t kMost = 10;
  std::string text;
  for (std::size_t i = 0; i < items.size() && i < kMost; ++i) text += (i ? ", " : "") + escape(items[i]);
  if (items.size() > kMost) text += fmt::format(" and {} more", items.size() - kMost);
  return text;
}

// The directory that holds every file, if there is one below the top.
std::string only_top_directory(const std::vector<SubmittedFile>& files) {
  const std::string& first = files.front().path;
  const std::size_t slash = first.find('/');
  if (slash == std::string::npos) return ".";
  const std::string prefix = first.substr(0, slash + 1);
  const bool all =
      std::all_of(files.begin(), files.end(), [&](const SubmittedFile& file) { return file.path.starts_with(prefix); });
  return all ? first.substr(0, slash) : ".";
}

bool holds_directory(const std::vector<SubmittedFile>& files, const std::string& directory) {
  return std::any_of(files.begin(), files.end(),
                     [&](const SubmittedFile& file) { return file.path.starts_with(directory + "/"); });
}

// "./a/b/" → "a/b", "." → "".
std::string cleaned(std::string directory) {
  while (directory.starts_with("./")) directory.erase(0, 2);
  while (directory.ends_with('/')) directory.pop_back();
  return directory == "." ? "" : directory;
}

// The package asked for, relative to the module that became the root. `files` are relative to it, too.
Result<std::string> package_in(const std::vector<SubmittedFile>& files, const std::string& module,
                               const std::string& inside, const std::string& name) {
  std::string package = cleaned(inside);
  if (package == module) package.clear();
  if (package.starts_with(module + "/")) package.erase(0, module.size() + 1);
  if (package.empty()) return std::string(".");
  const std::string directory = package.ends_with("/...") ? package.substr(0, package.size() - 4) : package;
  if (package == "..." || holds_directory(files, directory)) return "./" + package;
  return input_error(fmt::format("{} has no directory \"{}\"", escape(name), escape(inside)));
}

// The nearest directory at or above `directory` with a go.mod; empty where there is none.
std::string module_above(const std::vector<SubmittedFile>& files, std::string directory) {
  for (;; directory = parent_of(directory)) {
    const std::string wanted = directory == "." ? "go.mod" : directory + "/go.mod";
    if (std::any_of(files.begin(), files.end(), [&](const SubmittedFile& file) { return file.path == wanted; }))
      return directory;
    if (directory == ".") return {};
  }
}

// The archive reader's frames → the snapshot, where every rule is.
class SnapshotSink final : public FrameSink {
 public:
  explicit SnapshotSink(SnapshotWriter& writer) : writer_(writer) {}
  Status on_file(const std::string& path, Bytes size) override {
    if (of_macos(path)) {
      // Counted like version control data: bounded, and not part of the program.
      skipping_ = true;
      if (++skipped_ > kMostSkipped) return input_error("refused: more than a hundred thousand files of __MACOSX");
      return {};
    }
    skipping_ = false;
    TRY([[maybe_unused]] const bool wanted, writer_.begin_file(path, size));
    return {};
  }
  Status on_directory(const std::string& path) override {
    if (of_macos(path)) return {};
    TRY([[maybe_unused]] const bool wanted, writer_.add_directory(path));
    return {};
  }
  Status on_content(std::string_view data) override { return skipping_ ? Status() : writer_.write(data); }
  Status on_end_file() override { return skipping_ ? Status() : writer_.end_file(); }

 private:
  // What macOS puts beside every file it packs.
  bool of_macos(const std::string& path) {
    if (path != "__MACOSX" && !path.starts_with("__MACOSX/")) return false;
    writer_.drop("dropped __MACOSX: attributes of macOS");
    return true;
  }

  static constexpr std::uint64_t kMostSkipped = 100'000;
  SnapshotWriter& writer_;
  bool skipping_ = false;
  std::uint64_t skipped_ = 0;
};

}  // namespace

Result<std::string> module_directory(const std::vector<SubmittedFile>& files, const std::string& root,
                                     const std::string& inside, const std::string& name) {
  if (!root.empty()) {
    const std::string wanted = cleaned(root);
    if (wanted.empty()) return std::string(".");
    if (!holds_directory(files, wanted))
      return input_error(fmt::format("{} has no directory \"{}\" (--root)", escape(name), escape(root)));
    return wanted;
  }
  if (const std::string asked = cleaned(inside); !asked.empty() && holds_directory(files, asked))
    if (std::string module = module_above(files, asked); !module.empty()) return module;
  std::vector<std::string> modules;
  std::ptrdiff_t outermost = 0;
  for (const SubmittedFile& file : files) {
    if (!is_or_ends_in(file.path, "go.mod")) continue;
    const std::ptrdiff_t depth = std::count(file.path.begin(), file.path.end(), '/');
    if (modules.empty() || depth < outermost) modules.clear(), outermost = depth;
    if (depth == outermost) modules.push_back(parent_of(file.path));
  }
  if (modules.size() == 1) return modules.front();
  if (modules.empty()) return files.empty() ? std::string(".") : only_top_directory(files);
  std::sort(modules.begin(), modules.end());
  return input_error(fmt::format("{} holds several modules: {}; name one, as in {}/{}", escape(name), joined(modules),
                                 escape(name), escape(modules.front())));
}

Result<Submission> assemble(const Context& context, SnapshotWriter& writer, const std::string& name) {
  if (writer.files().empty())
    return input_error(fmt::format("{} holds no files (looked for a go.mod and .go files)", escape(name)));
  TRY(const std::string module, module_directory(writer.files(), context.request.root, context.inside, name));
  TRY(SnapshotWriter::Written written, writer.finish(module));
  Submission submission;
  submission.root = std::move(written.root);
  submission.snapshot_path = context.destination();
  submission.files = std::move(written.files);
  submission.dropped = std::move(written.dropped);
  submission.name = name;
  submission.has_go_mod = submission.find("go.mod") != nullptr;
  TRY(submission.package, package_in(submission.files, module, context.inside, name));
  if (submission.find("go.work"))
    submission.dropped.push_back("ignored go.work: the build uses one module and its go.mod");
  return submission;
}

Result<Submission> snapshot_archive(const Context& context, int archive, ContentKind kind, const std::string& name) {
  TRY(const std::string helper, helper_program("sandbox-run-unarchive", context.request.libexec_directory));
  TRY(SnapshotWriter writer,
      SnapshotWriter::create(context.destination(), context.request.limits, NameRules::portable, context.narrator));
  SnapshotSink sink(writer);
  TRY_STATUS(unarchive(helper, archive, kind, name, context.request.limits, sink));
  TRY(Submission submission, assemble(context, writer, name));
  submission.kind = Submission::Kind::archive;
  return submission;
}

Result<Submission> snapshot_text_archive(const Context& context, std::string_view text, const std::string& name) {
  const TextArchive archive = parse_txtar(text);
  TRY(SnapshotWriter writer,
      SnapshotWriter::create(context.destination(), context.request.limits, NameRules::portable, context.narrator));
  // The Go playground's form: the program first, further files below it.
  if (!package_clause(archive.comment).empty()) TRY_STATUS(writer.add_file("main.go", archive.comment));
  for (const TextArchive::File& file : archive.files) {
    const std::string path(file.name);
    TRY(const bool wanted, writer.begin_file(path, Bytes{file.content.size() + file.add_newline}));
    if (!wanted) continue;
    TRY_STATUS(writer.write(file.content));
    if (file.add_newline) TRY_STATUS(writer.write("\n"));
    TRY_STATUS(writer.end_file());
  }
  TRY(Submission submission, assemble(context, writer, name));
  submission.kind = Submission::Kind::text_archive;
  return submission;
}

}  // namespace sandbox_run::ingest
