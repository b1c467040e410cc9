// sandbox-run-unarchive FORMAT MOST_ENTRIES < archive > frames
//
// Unpacks one archive (zip, tar, tar_gz or tar_zst; a seekable file on descriptor 0) into the frames of frames.h on
// descriptor 1. A process of its own because it parses hostile bytes with a large C library: before it reads one it
// gives up its identity, its limits and nearly every system call. Whoever reads the frames believes none of them.
//
// Two readers look at every archive: our own checks (zip_check, tar_check), which know what must not be ambiguous, and
// libarchive, which unpacks. Where they see different entries the archive is refused.
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <libdeflate.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/files.h"
#include "ingest/frames.h"
#include "ingest/name_key.h"
#include "ingest/names.h"
#include "ingest/tar_check.h"
#include "ingest/unarchive_confinement.h"
#include "ingest/zip_check.h"

namespace sandbox_run::ingest {
namespace {

using Archive = std::unique_ptr<archive, int (*)(archive*)>;

Archive new_reader() { return Archive(::archive_read_new(), &::archive_read_free); }

Error refused(archive* reader, const std::string& what) {
  const char* why = ::archive_error_string(reader);
  return input_error(fmt::format("refused the archive: {}: {}", what, why ? escape(why) : "unreadable"));
}

class FrameWriter {
 public:
  Status begin() { return put(kFrameMagic); }
  Status file(const std::string& path, std::uint64_t size) {
    ++files_;
    return frame(Frame::file, little_endian(size) + path);
  }
  Status directory(const std::string& path) { return frame(Frame::directory, path); }
  Status content(std::string_view data) {
    for (; !data.empty(); data.remove_prefix(std::min<std::size_t>(data.size(), kMaxFramePayload)))
      TRY_STATUS(frame(Frame::content, data.substr(0, kMaxFramePayload)));
    return {};
  }
  Status end_file() { return frame(Frame::end_file, {}); }
  Status end() {
    TRY_STATUS(frame(Frame::end, little_endian(files_)));
    return flush();
  }
  Status refusal(const std::string& message) {
    TRY_STATUS(frame(Frame::refusal, std::string_view(message).substr(0, 4096)));
    return flush();
  }

 private:
  Status frame(Frame type, std::string_view payload) {
    if ((type == Frame::file || type == Frame::directory) && payload.size() > kMaxFramePath)
      return input_error("refused the archive: a name is longer than any path can be");
    TRY_STATUS(put(frame_header(type, payload.size())));
    return put(payload);
  }
  Status put(std::string_view bytes) {
    if (buffer_.size() + bytes.size() > kBuffer) TRY_STATUS(flush());
    if (bytes.size() > kBuffer) return write_all(1, bytes, "the archive's frames");
    buffer_.append(bytes);
    return {};
  }
  Status flush() {
    TRY_STATUS(write_all(1, buffer_, "the archive's frames"));
    buffer_.clear();
    return {};
  }

  static constexpr std::size_t kBuffer = 64 * 1024;
  std::string buffer_;
  std::uint64_t files_ = 0;
};

// The content of the entry libarchive stands at, which must be `size` bytes without holes.
Status copy_content(archive* reader, const std::string& name, std::uint64_t size, FrameWriter& out) {
  std::uint64_t at = 0;
  for (;;) {
    const void* data = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    const int got = ::archive_read_data_block(reader, &data, &length, &offset);
    if (got == ARCHIVE_EOF) break;
    if (got != ARCHIVE_OK) return refused(reader, fmt::format("entry \"{}\"", escape(name)));
    if (static_cast<std::uint64_t>(offset) != at)
      return input_error(fmt::format("refused the archive: entry \"{}\" has holes", escape(name)));
    at += length;
    if (at > size) break;
    TRY_STATUS(out.content({static_cast<const char*>(data), length}));
  }
  if (at != size)
    return input_error(
        fmt::format("refused the archive: entry \"{}\" does not have the {} bytes it states", escape(name), size));
  return {};
}

// What our own reader says the next entry is; libarchive must say the same.
struct Expected {
  std::string name;
  bool is_directory;
  std::uint64_t size;
};

Status check_agrees(archive_entry* entry, const Expected& expected) {
  const auto differ = [&](const char* what) {
    return input_error(
        fmt::format("refused the archive: two readers see different {} for entry \"{}\"", what, escape(expected.name)));
  };
  const mode_t type = ::archive_entry_filetype(entry);
  if (type != (expected.is_directory ? S_IFDIR : S_IFREG)) return differ("kinds of file");
  if (::archive_entry_hardlink(entry) || ::archive_entry_symlink(entry)) return differ("kinds of file");
  if (!expected.is_directory &&
      (!::archive_entry_size_is_set(entry) || static_cast<std::uint64_t>(::archive_entry_size(entry)) != expected.size))
    return differ("sizes");
  const char* path = ::archive_entry_pathname(entry);
  std::string name = path ? path : "";
  while (expected.is_directory && name.size() > 1 && name.ends_with('/')) name.pop_back();
  if (name.starts_with("./") && name.size() > 2 && !expected.name.starts_with("./")) name.erase(0, 2);
  // libarchive may compose names (NFC), hence the key; ours is the name as it is written.
  if (name_key(name) != name_key(expected.name)) return differ("names");
  return {};
}

Status copy_entry(archive* reader, archive_entry* entry, const Expected& expected, FrameWriter& out) {
  TRY_STATUS(check_agrees(entry, expected));
  if (expected.is_directory) return expected.name == "." ? Status() : out.directory(expected.name);
  TRY_STATUS(out.file(expected.name, expected.size));
  TRY_STATUS(copy_content(reader, expected.name, expected.size, out));
  return out.end_file();
}

Status unpack_zip(std::string_view bytes, std::uint64_t most_entries, FrameWriter& out) {
  TRY(const std::vector<ZipEntry> expected, check_zip(bytes, most_entries));
  if (expected.empty()) return {};
  Archive reader = new_reader();
  ::archive_read_support_format_zip_seekable(reader.get());
  if (::archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    return refused(reader.get(), "it cannot be opened");
  for (const ZipEntry& entry : expected) {
    archive_entry* header = nullptr;
    if (::archive_read_next_header(reader.get(), &header) != ARCHIVE_OK)
      return refused(reader.get(), fmt::format("entry \"{}\"", escape(entry.name)));
    TRY_STATUS(copy_entry(reader.get(), header, {entry.name, entry.is_directory, entry.size}, out));
  }
  archive_entry* header = nullptr;
  if (::archive_read_next_header(reader.get(), &header) != ARCHIVE_EOF)
    return input_error("refused the zip archive: two readers see different entries");
  return {};
}

// The tar stream, uncompressed on its way where need be; everything libarchive's tar reader gets passes our check
// first.
class TarStream {
 public:
  TarStream(std::string_view bytes, std::string_view format) : bytes_(bytes), format_(format) {}

  Status open() {
    if (format_ == "tar") return {};
    ::archive_read_support_format_raw(unpacker_.get());
    if (format_ == "tar_gz") ::archive_read_support_filter_gzip(unpacker_.get());
    if (format_ == "tar_zst") ::archive_read_support_filter_zstd(unpacker_.get());
    archive_entry* entry = nullptr;
    if (::archive_read_open_memory(unpacker_.get(), bytes_.data(), bytes_.size()) != ARCHIVE_OK ||
        ::archive_read_next_header(unpacker_.get(), &entry) != ARCHIVE_OK)
      return refused(unpacker_.get(), "it cannot be uncompressed");
    if (::archive_filter_count(unpacker_.get()) != 2)
      return input_error("refused the archive: it is not compressed once");
    return {};
  }

  // The next piece, checked; empty at the end.
  Result<std::string_view> next() {
    TRY(const std::string_view piece, raw());
    TRY_STATUS(check_.feed(piece));
    return piece;
  }

  // After the last entry: nothing but padding may be left, and of the compressed file nothing at all.
  Status finish() {
    for (;;) {
      TRY(const std::string_view piece, next());
      if (piece.empty()) break;
    }
    TRY_STATUS(check_.finish());
    if (format_ == "tar") return {};
    if (static_cast<std::uint64_t>(::archive_filter_bytes(unpacker_.get(), -1)) != bytes_.size())
      return input_error("refused the archive: bytes follow its compressed data");
    // libarchive passes over gzip's checksum (RFC 1952, 2.3.1): the four bytes before the last four.
    if (format_ == "tar_gz" && little_endian(crc_).substr(0, 4) != bytes_.substr(bytes_.size() - 8, 4))
      return input_error("refused the archive: its gzip checksum is wrong; it is damaged, or several put together");
    return {};
  }

  const TarCheck& check() const { return check_; }
  std::optional<Error> error;  // what next() failed with inside libarchive's callback

 private:
  Result<std::string_view> raw() {
    if (format_ == "tar") {
      const std::string_view piece = bytes_.substr(at_, 256 * 1024);
      at_ += piece.size();
      return piece;
    }
    const void* data = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    const int got = ::archive_read_data_block(unpacker_.get(), &data, &length, &offset);
    if (got == ARCHIVE_EOF) return std::string_view();
    if (got != ARCHIVE_OK || length == 0) return refused(unpacker_.get(), "it cannot be uncompressed");
    if (static_cast<std::uint64_t>(offset) != at_)
      return input_error("refused the archive: its compressed data has holes");
    at_ += length;
    crc_ = ::libdeflate_crc32(crc_, data, length);
    return std::string_view(static_cast<const char*>(data), length);
  }

  std::string_view bytes_, format_;
  Archive unpacker_ = new_reader();
  std::uint64_t at_ = 0;
  std::uint32_t crc_ = 0;
  TarCheck check_;
};

la_ssize_t read_tar(archive* reader, void* stream_pointer, const void** data) {
  auto* stream = static_cast<TarStream*>(stream_pointer);
  auto piece = stream->next();
  if (!piece) {
    stream->error = piece.error();
    ::archive_set_error(reader, EINVAL, "refused");
    return ARCHIVE_FATAL;
  }
  *data = piece->data();
  return static_cast<la_ssize_t>(piece->size());
}

Status unpack_tar(std::string_view bytes, std::string_view format, FrameWriter& out) {
  TarStream stream(bytes, format);
  TRY_STATUS(stream.open());
  Archive reader = new_reader();
  ::archive_read_support_format_tar(reader.get());
  const auto failed = [&](const std::string& what) {
    return stream.error ? *stream.error : refused(reader.get(), what);
  };
  if (::archive_read_open(reader.get(), &stream, nullptr, &read_tar, nullptr) != ARCHIVE_OK)
    return failed("it cannot be opened");
  for (std::size_t i = 0;; ++i) {
    archive_entry* header = nullptr;
    const int got = ::archive_read_next_header(reader.get(), &header);
    if (stream.error) return *stream.error;
    if (got == ARCHIVE_EOF) {
      TRY_STATUS(stream.finish());
      if (stream.check().entries().size() != i)
        return input_error("refused the tar archive: two readers see different entries");
      return {};
    }
    if (got != ARCHIVE_OK) return failed("a header");
    if (i >= stream.check().entries().size())
      return input_error("refused the tar archive: two readers see different entries");
    const TarEntry expected = stream.check().entries()[i];
    Status copied = copy_entry(reader.get(), header, {expected.name, expected.is_directory, expected.size}, out);
    if (!copied) return stream.error ? Status(*stream.error) : copied;
  }
}

Result<std::string_view> map_input() {
  struct stat info {};
  if (::fstat(0, &info) != 0 || !S_ISREG(info.st_mode)) return self_error("descriptor 0 is no regular file");
  if (info.st_size == 0) return std::string_view();
  const auto size = static_cast<std::size_t>(info.st_size);
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, 0, 0);
  if (bytes == MAP_FAILED) return host_error(errno, "cannot map the archive");
  return std::string_view(static_cast<const char*>(bytes), size);
}

Status unpack(std::string_view format, std::uint64_t most_entries, FrameWriter& out) {
  TRY(const std::string_view bytes, map_input());
  TRY_STATUS(confine_archive_reader());
  TRY_STATUS(out.begin());
  const Status done = format == "zip" ? unpack_zip(bytes, most_entries, out) : unpack_tar(bytes, format, out);
  if (done) return out.end();
  if (done.error().fault != Fault::input) return done;
  return out.refusal(done.error().what);
}

int run(int argc, char** argv) {
  const std::string_view format = argc == 3 ? argv[1] : "";
  if (format != "zip" && format != "tar" && format != "tar_gz" && format != "tar_zst") {
    std::fputs("usage: sandbox-run-unarchive zip|tar|tar_gz|tar_zst MOST_ENTRIES < archive > frames\n", stderr);
    return 2;
  }
  std::setlocale(LC_CTYPE, "C.UTF-8");  // libarchive converts names to the locale's encoding
  FrameWriter out;
  const Status done = unpack(format, std::strtoull(argv[2], nullptr, 10), out);
  if (done) return 0;
  std::fprintf(stderr, "sandbox-run-unarchive: %s\n", done.error().what.c_str());
  return 1;
}

}  // namespace
}  // namespace sandbox_run::ingest

// _exit: what runs at an ordinary exit (a sanitizer's leak check) needs system calls that are gone by now.
int main(int argc, char** argv) { ::_exit(sandbox_run::ingest::run(argc, argv)); }
