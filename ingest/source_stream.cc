// Standard input and archive files: content whose kind shows only when it is read.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/files.h"
#include "base/path.h"
#include "ingest/content_kind.h"
#include "ingest/names.h"
#include "ingest/snapshot_writer.h"
#include "ingest/sources.h"
#include "ingest/txtar.h"

namespace sandbox_run::ingest {
namespace {

constexpr std::size_t kFront = 64 * 1024;

// An archive may be larger than what is in it by its headers, and no larger.
Bytes archive_cap(const Limits& limits) { return Bytes{limits.bytes.count + limits.files * 4096 + (1u << 20)}; }

Error too_large(const std::string& name, const Limits& limits) {
  return input_error(fmt::format("refused {}: it is larger than {}; raise that cap with --max-bytes", escape(name),
                                 format_bytes(limits.bytes)));
}

// Copies a stream into an unlinked file of ours, which an archive reader can seek in and nobody else can change.
Result<UniqueFd> spool(const Context& context, int input, const std::string& name) {
  TRY(UniqueFd file, open_path(context.workspace, O_TMPFILE | O_RDWR, 0600));
  std::vector<char> buffer(128 * 1024);
  std::uint64_t total = 0;
  for (;;) {
    const ssize_t got = ::read(input, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return input_error(errno, "cannot read " + escape(name));
    if (got == 0) break;
    total += static_cast<std::uint64_t>(got);
    if (total > archive_cap(context.request.limits).count) return too_large(name, context.request.limits);
    TRY_STATUS(write_all(file.get(), {buffer.data(), static_cast<std::size_t>(got)}, "the copy of " + escape(name)));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return host_error(errno, "cannot rewind the copy of " + escape(name));
  return file;
}

Result<std::string> front_of(int fd, const std::string& name) {
  std::string front(kFront, '\0');
  std::size_t have = 0;
  while (have < front.size()) {
    const ssize_t got = ::pread(fd, front.data() + have, front.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return host_error(errno, "cannot read the copy of " + escape(name));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  front.resize(have);
  return front;
}

Result<Submission> snapshot_single(const Context& context, std::string_view text, const std::string& name) {
  TRY(SnapshotWriter writer,
      SnapshotWriter::create(context.destination(), context.request.limits, NameRules::local, context.narrator));
  TRY_STATUS(writer.add_file("main.go", text));
  TRY(Submission submission, assemble(context, writer, name));
  submission.go_files = {"main.go"};
  return submission;
}

Error not_source(ContentKind kind, const std::string& name) {
  const char* todo = "give Go source, a txtar, or a zip, tar, tar.gz or tar.zst archive";
  if (kind == ContentKind::elf) todo = "run it with 'sandbox-run exec'";
  if (kind == ContentKind::unsupported_archive) todo = "pack it as .zip, .tar, .tar.gz or .tar.zst";
  return input_error(fmt::format("refused {}: its content is {}; {}", escape(name), describe(kind), todo));
}

// `spooled` is at its start.
Result<Submission> by_content(const Context& context, int spooled, ContentKind kind, const std::string& name) {
  switch (kind) {
    case ContentKind::zip:
    case ContentKind::tar:
    case ContentKind::tar_gz:
    case ContentKind::tar_zst:
      return snapshot_archive(context, spooled, kind, name);
    case ContentKind::go:
    case ContentKind::text_archive: {
      TRY(const std::string text, read_to_end(spooled, archive_cap(context.request.limits), escape(name)));
      if (kind == ContentKind::text_archive) return snapshot_text_archive(context, text, name);
      return snapshot_single(context, text, name);
    }
    case ContentKind::empty:
    case ContentKind::elf:
    case ContentKind::script:
    case ContentKind::unsupported_archive:
    case ContentKind::binary:
    case ContentKind::text:
      return not_source(kind, name);
  }
  return self_error("ingest: content of no kind");
}

}  // namespace

Result<UniqueFd> open_named_file(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return input_error(errno, fmt::format("cannot open \"{}\"", escape(path)));
  if (!S_ISREG(info.st_mode))
    return input_error(fmt::format("refused \"{}\": it is {}; name the file itself, or use - to read from a pipe",
                                   escape(path), S_ISLNK(info.st_mode) ? "a symbolic link" : "no regular file"));
  auto fd = open_path(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd) return input_error(fd.error().sys_errno, fmt::format("cannot open \"{}\"", escape(path)));
  if (::fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode))
    return input_error(fmt::format("refused \"{}\": it is no regular file", escape(path)));
  return fd;
}

Result<Submission> snapshot_standard_input(const Context& context) {
  const std::string name = "standard input";
  TRY(const UniqueFd file, spool(context, context.request.standard_input, name));
  TRY(const std::string front, front_of(file.get(), name));
  TRY(Submission submission, by_content(context, file.get(), content_kind(front), name));
  submission.kind = Submission::Kind::standard_input;
  return submission;
}

Result<Submission> snapshot_archive_file(const Context& context, const std::string& source) {
  TRY(const UniqueFd original, open_named_file(source));
  struct stat info {};
  if (::fstat(original.get(), &info) != 0) return host_error(errno, "cannot look at " + escape(source));
  const std::string name(base_name(source));
  if (static_cast<std::uint64_t>(info.st_size) > archive_cap(context.request.limits).count)
    return too_large(name, context.request.limits);
  // A copy of ours: an archive that changes while two passes read it is two archives.
  TRY(const UniqueFd file, spool(context, original.get(), name));
  TRY(const std::string front, front_of(file.get(), name));
  const ContentKind kind = content_kind(front), promised = kind_of_name(name);
  if (promised != ContentKind::binary && promised != kind && promised != ContentKind::unsupported_archive)
    return input_error(fmt::format("refused \"{}\": by its name it is {}, by its content {}", escape(name),
                                   describe(promised), describe(kind)));
  TRY(Submission submission, by_content(context, file.get(), kind, name));
  submission.kind = kind == ContentKind::text_archive ? Submission::Kind::text_archive
                    : kind == ContentKind::go         ? Submission::Kind::files
                                                      : Submission::Kind::archive;
  return submission;
}

}  // namespace sandbox_run::ingest
