// Theory of operation: the end-of-central-directory record is looked for from the back, in the last KiB and then in the
// last 65 KiB; it (or its zip64 form) says where the central directory is; the directory alone says what the entries
// are. Local headers only say where an entry's bytes begin. All of it as Go's archive/zip does it, quirks included: an
// archive that means one thing to us and another to the go command would be a way around the verification.
#include "sum-verify/zip_archive.h"

#include <libdeflate.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <utility>

namespace sandbox_run::sum_verify {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kDirectoryHeader = 0x02014b50, kDirectoryEnd = 0x06054b50;
constexpr std::uint32_t kZip64Locator = 0x07064b50, kZip64End = 0x06064b50, kDataDescriptor = 0x08074b50;
constexpr std::size_t kLocalHeaderBytes = 30, kDirectoryHeaderBytes = 46, kDirectoryEndBytes = 22;
constexpr std::size_t kZip64LocatorBytes = 20, kZip64EndBytes = 56;
constexpr std::uint16_t kStored = 0, kDeflated = 8, kHasDescriptor = 0x8, kZip64Extra = 1;
constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
// Deflate cannot expand by more than 1032; a larger claim is a lie, refused before memory is set aside for it.
constexpr std::uint64_t kMaxDeflateRatio = 1032;

Error bad_zip(const std::string& detail) { return input_error("zip: not a valid zip file: " + detail); }

// Little-endian numbers from the front of a buffer. Reads past the end give 0 and set `short_read`.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t take(std::size_t width) {
    if (bytes_.size() < width) {
      short_read_ = true;
      bytes_ = {};
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(width);
    return value;
  }
  std::uint16_t u16() { return static_cast<std::uint16_t>(take(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(take(4)); }
  std::uint64_t u64() { return take(8); }
  void skip(std::size_t width) { bytes_.remove_prefix(std::min(width, bytes_.size())); }
  std::string_view sub(std::size_t width) {
    const std::string_view part = bytes_.substr(0, width);
    bytes_.remove_prefix(part.size());
    return part;
  }
  std::size_t left() const { return bytes_.size(); }
  bool short_read() const { return short_read_; }

 private:
  std::string_view bytes_;
  bool short_read_ = false;
};

// Up to `size` bytes at `offset`; fewer at the end of the file.
Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t size) {
  std::string data(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::pread(fd, data.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return host_error(errno, "read the zip file");
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  data.resize(done);
  return data;
}

struct DirectoryEnd {
  std::uint64_t records = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  // of the directory, from where the archive begins
  std::uint64_t base = 0;    // where the archive begins in the file
};

// The position of the end record in `block`; npos where there is none, or where its comment would leave the file.
std::size_t find_directory_end(std::string_view block) {
  for (std::size_t i = block.size() < kDirectoryEndBytes ? 0 : block.size() - kDirectoryEndBytes + 1; i-- > 0;) {
    Fields fields(block.substr(i));
    if (fields.u32() != kDirectoryEnd) continue;
    fields.skip(kDirectoryEndBytes - 6);
    return fields.u16() + kDirectoryEndBytes + i > block.size() ? std::string_view::npos : i;
  }
  return std::string_view::npos;
}

// Replaces what the 32-bit record could not hold. `position` is the record's and becomes the zip64 record's.
Status read_zip64_end(int fd, std::uint64_t& position, DirectoryEnd& end) {
  if (position < kZip64LocatorBytes) return {};
  TRY(const std::string locator, read_at(fd, position - kZip64LocatorBytes, kZip64LocatorBytes));
  Fields fields(locator);
  if (fields.u32() != kZip64Locator || fields.u32() != 0) return {};
  const std::uint64_t where = fields.u64();
  if (fields.u32() != 1) return {};
  if (where > kMaxInt64) return {};  // negative to archive/zip, which then leaves the record alone
  TRY(const std::string record, read_at(fd, where, kZip64EndBytes));
  Fields values(record);
  if (record.size() < kZip64EndBytes || values.u32() != kZip64End) return bad_zip("its zip64 end record is missing");
  values.skip(28);
  end.records = values.u64();
  end.size = values.u64();
  end.offset = values.u64();
  position = where;
  return {};
}

enum class HeaderState { entry, no_entry, truncated };

// Values that do not fit 32 bits are in the zip64 extra field, in this order, only those that are needed.
bool read_zip64_extra(std::string_view extra, ZipEntry& entry, std::uint64_t& offset) {
  bool size = entry.uncompressed_bytes == kMax32, packed = entry.compressed_bytes == kMax32, where = offset == kMax32;
  for (Fields fields(extra); fields.left() >= 4;) {
    const std::uint16_t tag = fields.u16(), length = fields.u16();
    if (fields.left() < length) break;
    Fields body(fields.sub(length));
    if (tag != kZip64Extra) continue;
    if (std::exchange(size, false)) entry.uncompressed_bytes = body.u64();
    if (std::exchange(packed, false)) entry.compressed_bytes = body.u64();
    if (std::exchange(where, false)) offset = body.u64();
    if (body.short_read()) return false;
  }
  // An uncompressed size of exactly 2^32-1 may be meant; the others cannot be.
  return !packed && !where;
}

// Takes one header off the front of the directory.
HeaderState read_directory_header(std::string_view& directory, ZipEntry& entry) {
  if (directory.size() < kDirectoryHeaderBytes) return HeaderState::truncated;
  Fields fields(directory);
  if (fields.u32() != kDirectoryHeader) return HeaderState::no_entry;
  fields.skip(4);
  entry.flags = fields.u16();
  entry.method = fields.u16();
  fields.skip(4);
  entry.crc32 = fields.u32();
  entry.compressed_bytes = fields.u32();
  entry.uncompressed_bytes = fields.u32();
  const std::size_t name = fields.u16(), extra = fields.u16(), comment = fields.u16();
  fields.skip(8);
  entry.header_offset = fields.u32();
  if (fields.left() < name + extra + comment) return HeaderState::truncated;
  entry.name = fields.sub(name);
  if (!read_zip64_extra(fields.sub(extra), entry, entry.header_offset)) return HeaderState::no_entry;
  directory.remove_prefix(kDirectoryHeaderBytes + name + extra + comment);
  return HeaderState::entry;
}

Result<DirectoryEnd> locate_directory(int fd, std::uint64_t size) {
  for (const std::uint64_t window : {std::uint64_t{1024}, std::uint64_t{65 * 1024}}) {
    const std::uint64_t length = std::min(window, size);
    TRY(const std::string block, read_at(fd, size - length, static_cast<std::size_t>(length)));
    const std::size_t found = find_directory_end(block);
    if (found == std::string::npos) continue;
    Fields fields(std::string_view(block).substr(found));
    fields.skip(10);
    DirectoryEnd end;
    end.records = fields.u16();
    end.size = fields.u32();
    end.offset = fields.u32();
    std::uint64_t position = size - length + found;
    // 0xffff for the size is archive/zip's own condition.
    if (end.records == 0xffff || end.size == 0xffff || end.offset == kMax32)
      TRY_STATUS(read_zip64_end(fd, position, end));
    if (end.size > kMaxInt64 || end.offset > kMaxInt64) return bad_zip("its directory is out of range");
    if (end.size > position || end.offset > position - end.size) {
      // A negative base: the directory is then before where the record says, or outside the file.
      const std::int64_t start = static_cast<std::int64_t>(position) - static_cast<std::int64_t>(end.size);
      if (start < 0 || static_cast<std::uint64_t>(start) >= size) return bad_zip("its directory is outside the file");
      return bad_zip("its directory overlaps the record that ends it");
    }
    end.base = position - end.size - end.offset;
    if (end.base + end.offset >= size) return bad_zip("its directory is outside the file");
    if (end.base > 0) {
      TRY(const std::string probe, read_at(fd, end.offset, kDirectoryHeaderBytes + 3 * 65535));
      std::string_view rest = probe;
      ZipEntry entry;
      if (read_directory_header(rest, entry) == HeaderState::entry) end.base = 0;
    }
    return end;
  }
  return bad_zip("there is no end of central directory");
}

struct DecompressorCloser {
  void operator()(libdeflate_decompressor* d) const { ::libdeflate_free_decompressor(d); }
};

Status inflate(std::string_view packed, std::string& content, const std::string& name) {
  thread_local std::unique_ptr<libdeflate_decompressor, DecompressorCloser> decompressor(
      ::libdeflate_alloc_decompressor());
  if (!decompressor) return host_error("zip: no memory for a decompressor");
  std::size_t used = 0;
  // With no place for the size, libdeflate demands exactly content.size() bytes. Bytes after the last block are
  // ignored, as archive/zip ignores them.
  const libdeflate_result result = ::libdeflate_deflate_decompress_ex(decompressor.get(), packed.data(), packed.size(),
                                                                      content.data(), content.size(), &used, nullptr);
  switch (result) {
    case LIBDEFLATE_SUCCESS:
      return {};
    case LIBDEFLATE_SHORT_OUTPUT:
      return input_error("zip: " + name + ": shorter than its declared size");
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      return input_error("zip: " + name + ": larger than its declared size");
    case LIBDEFLATE_BAD_DATA:
      break;
  }
  return input_error("zip: " + name + ": corrupt deflate data");
}

// The CRC that stands behind the data; with or without a signature before it.
Result<std::uint32_t> descriptor_crc(int fd, std::uint64_t offset, const std::string& name) {
  TRY(const std::string bytes, read_at(fd, offset, 16));
  Fields fields(bytes);
  std::uint32_t crc = fields.u32();
  if (crc == kDataDescriptor) crc = fields.u32();
  fields.skip(8);
  if (fields.short_read() || bytes.size() < 12) return input_error("zip: " + name + ": its data descriptor is cut off");
  return crc;
}

}  // namespace

Result<ZipArchive> ZipArchive::open(int zip_fd, std::uint64_t limit_bytes, std::uint64_t limit_entries) {
  struct stat info {};
  if (::fstat(zip_fd, &info) != 0) return host_error(errno, "stat the zip file");
  if (!S_ISREG(info.st_mode)) return input_error("zip: not a regular file");
  ZipArchive archive;
  archive.fd_ = zip_fd;
  archive.size_ = static_cast<std::uint64_t>(info.st_size);
  if (archive.size_ > limit_bytes) {
    return Error{Fault::input, EFBIG,
                 "module zip file is too large (" + std::to_string(archive.size_) + " bytes; limit is " +
                     std::to_string(limit_bytes) + " bytes)"};
  }
  TRY(const DirectoryEnd end, locate_directory(zip_fd, archive.size_));
  // The directory runs as far as headers do: archive/zip reads on past the declared size as well.
  const std::uint64_t start = end.base + end.offset;
  TRY(const std::string bytes, read_at(zip_fd, start, static_cast<std::size_t>(archive.size_ - start)));
  std::string_view directory = bytes;
  HeaderState state = HeaderState::entry;
  while (!directory.empty()) {
    ZipEntry entry;
    state = read_directory_header(directory, entry);
    if (state != HeaderState::entry) break;
    if (entry.header_offset > archive.size_ - end.base) return bad_zip(entry.name + " begins past the end");
    entry.header_offset += end.base;
    archive.entries_.push_back(std::move(entry));
    if (archive.entries_.size() > limit_entries) {
      return Error{Fault::input, EFBIG, "module zip file has more than " + std::to_string(limit_entries) + " entries"};
    }
  }
  if ((archive.entries_.size() & 0xffff) != (end.records & 0xffff)) {
    return bad_zip("it lists " + std::to_string(end.records) + " entries and has " +
                   std::to_string(archive.entries_.size()));
  }
  return archive;
}

Status ZipArchive::read(const ZipEntry& entry, std::string& content) const {
  content.clear();
  TRY(const std::string header, read_at(fd_, entry.header_offset, kLocalHeaderBytes));
  Fields fields(header);
  if (header.size() < kLocalHeaderBytes || fields.u32() != kLocalHeader) {
    return bad_zip(entry.name + " has no local header");
  }
  fields.skip(22);
  const std::uint64_t name = fields.u16(), extra = fields.u16();
  const std::uint64_t body = entry.header_offset + kLocalHeaderBytes + name + extra;
  if (entry.is_directory()) {
    // Some writers give directories a compressed size; only content would be a contradiction.
    return entry.uncompressed_bytes == 0 ? Status{} : Status{bad_zip(entry.name + " is a directory with content")};
  }
  if (body > size_ || entry.compressed_bytes > size_ - body) return bad_zip(entry.name + " reaches past the end");
  if (entry.method != kStored && entry.method != kDeflated) {
    return input_error("zip: unsupported compression algorithm " + std::to_string(entry.method) + " of " + entry.name);
  }
  if (entry.method == kStored && entry.compressed_bytes != entry.uncompressed_bytes) {
    return input_error("zip: " + entry.name + ": stored with a size that is not its declared size");
  }
  if (entry.uncompressed_bytes / kMaxDeflateRatio > entry.compressed_bytes) {
    return input_error("zip: " + entry.name + ": shorter than its declared size");
  }
  TRY(std::string packed, read_at(fd_, body, static_cast<std::size_t>(entry.compressed_bytes)));
  if (packed.size() != entry.compressed_bytes) return bad_zip(entry.name + " is cut off");
  if (entry.method == kStored) {
    content = std::move(packed);
  } else {
    content.resize(static_cast<std::size_t>(entry.uncompressed_bytes));
    TRY_STATUS(inflate(packed, content, entry.name));
  }
  const std::uint32_t crc = ::libdeflate_crc32(0, content.data(), content.size());
  const bool described = (entry.flags & kHasDescriptor) != 0;
  if (described) {
    TRY(const std::uint32_t told, descriptor_crc(fd_, body + entry.compressed_bytes, entry.name));
    if (told != entry.crc32) return input_error("zip: checksum error: " + entry.name + ": two CRCs are declared");
  }
  // A zero CRC without a descriptor counts as "not set" to archive/zip.
  if ((described || entry.crc32 != 0) && crc != entry.crc32) return input_error("zip: checksum error: " + entry.name);
  return {};
}

}  // namespace sandbox_run::sum_verify
