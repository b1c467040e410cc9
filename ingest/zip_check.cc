#include "ingest/zip_check.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "ingest/names.h"

namespace sandbox_run::ingest {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLocal = "PK\x03\x04"sv, kCentral = "PK\x01\x02"sv, kEnd = "PK\x05\x06"sv;
constexpr std::string_view kEnd64 = "PK\x06\x06"sv, kLocator64 = "PK\x06\x07"sv, kDescriptor = "PK\x07\x08"sv;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20;
constexpr std::uint64_t kIn64 = 0xFFFFFFFF;  // the value is in the zip64 extra field

Error refused(const std::string& why) { return input_error("refused the zip archive: " + why); }
Error refused(std::string_view entry, const std::string& why) {
  return input_error(fmt::format("refused the zip archive: entry \"{}\" {}", escape(entry), why));
}

// A little-endian number of 2, 4 or 8 bytes. REQUIRES: it lies within `bytes`.
std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// Where the central directory is, and how many entries it has.
struct Directory {
  std::uint64_t offset = 0, size = 0, entries = 0;
};

// One entry as the central directory has it.
struct Central {
  std::string_view name, extra;
  std::uint64_t flags = 0, method = 0, crc = 0, compressed = 0, size = 0, offset = 0, attributes = 0;
  bool in_64 = false;  // some value came from the zip64 extra field
};

constexpr std::uint64_t kEncrypted = 1 | 1 << 6 | 1 << 13, kHasDescriptor = 1 << 3, kPatch = 1 << 5;

Result<Directory> zip64_directory(std::string_view archive, std::uint64_t end) {
  const std::uint64_t locator = end - kLocator64Bytes;
  if (number(archive, locator + 4, 4) != 0 || number(archive, locator + 16, 4) > 1)
    return refused("it spans several disks");
  const std::uint64_t at = number(archive, locator + 8, 8);
  if (locator < kEnd64Bytes || at != locator - kEnd64Bytes || archive.substr(at, 4) != kEnd64 ||
      number(archive, at + 4, 8) != kEnd64Bytes - 12)
    return refused("its zip64 end record is not where it belongs");
  if (number(archive, at + 16, 4) != 0 || number(archive, at + 20, 4) != 0) return refused("it spans several disks");
  Directory directory{number(archive, at + 48, 8), number(archive, at + 40, 8), number(archive, at + 32, 8)};
  if (number(archive, at + 24, 8) != directory.entries) return refused("it spans several disks");
  if (directory.offset > at || directory.size != at - directory.offset)
    return refused("its central directory does not end where its end record starts");
  // What both records can hold must be the same: a reader without zip64 believes the other one.
  const auto agree = [&](std::size_t field, std::size_t width, std::uint64_t value) {
    const std::uint64_t small = number(archive, end + field, width);
    return small == value || small == (width == 2 ? 0xFFFF : kIn64);
  };
  if (!agree(10, 2, directory.entries) || !agree(12, 4, directory.size) || !agree(16, 4, directory.offset))
    return refused("its two end records disagree");
  return directory;
}

Result<Directory> find_directory(std::string_view archive) {
  if (archive.size() < kEndBytes) return refused("it is truncated: there is no end record");
  const std::size_t last = archive.rfind(kEnd);
  if (last == std::string_view::npos) return refused("it is truncated: there is no end record");
  if (archive.size() - last < kEndBytes || last + kEndBytes + number(archive, last + 20, 2) != archive.size())
    return refused("bytes follow its end record, or it is truncated");
  if (number(archive, last + 4, 2) != 0 || number(archive, last + 6, 2) != 0) return refused("it spans several disks");
  Directory directory{number(archive, last + 16, 4), number(archive, last + 12, 4), number(archive, last + 10, 2)};
  std::uint64_t end = last;
  if (last >= kLocator64Bytes && archive.substr(last - kLocator64Bytes, 4) == kLocator64) {
    TRY(directory, zip64_directory(archive, last));
    end = last - kLocator64Bytes - kEnd64Bytes;
  } else if (number(archive, last + 8, 2) != directory.entries) {
    return refused("it spans several disks");
  }
  // Contiguous, so a reader that adds an offset and one that does not find the same directory.
  if (directory.offset > end || directory.size != end - directory.offset)
    return refused("its central directory is not right before its end record, so two readers may see two archives");
  if (archive.substr(directory.offset, last - directory.offset).find(kEnd) != std::string_view::npos)
    return refused("it has a second end record, so two readers may see two archives");
  return directory;
}

// Reads the extra fields: zip64 values where the 32-bit ones say so, and no second name.
Status read_extra(Central& entry) {
  std::string_view rest = entry.extra;
  bool seen_64 = false;
  while (rest.size() >= 4) {
    const std::uint64_t id = number(rest, 0, 2), size = number(rest, 2, 2);
    if (size > rest.size() - 4) return refused(entry.name, "has a malformed extra field");
    std::string_view field = rest.substr(4, size);
    rest.remove_prefix(4 + size);
    if (id == 0x7075 && (field.size() < 5 || field.substr(5) != entry.name))
      return refused(entry.name, "has a second name (Unicode path)");
    if (id != 1) continue;
    if (std::exchange(seen_64, true)) return refused(entry.name, "has two zip64 extra fields");
    for (std::uint64_t* value : {&entry.size, &entry.compressed, &entry.offset}) {
      if (*value != kIn64) continue;
      if (field.size() < 8) return refused(entry.name, "has a malformed zip64 extra field");
      *value = number(field, 0, 8);
      field.remove_prefix(8);
      entry.in_64 = true;
    }
  }
  const bool padding = std::all_of(rest.begin(), rest.end(), [](char c) { return c == 0; });
  return padding ? Status() : Status(refused(entry.name, "has a malformed extra field"));
}

Status check_type(const Central& entry) {
  const bool directory = entry.name.ends_with('/');
  // Unix modes are in the upper half, whatever system the archive claims to be from: a link must not slip by.
  const mode_t type = static_cast<mode_t>(entry.attributes >> 16) & S_IFMT;
  if (type == S_IFLNK)
    return refused(entry.name, "is a symbolic link; only regular files and directories are accepted");
  if (type != 0 && type != S_IFREG && type != S_IFDIR)
    return refused(entry.name, "is no regular file; only regular files and directories are accepted");
  if ((type == S_IFDIR && !directory) || (type == S_IFREG && directory))
    return refused(entry.name, "is both a file and a directory");
  if (directory && entry.size != 0) return refused(entry.name, "is a directory with content");
  return {};
}

Status check_entry(const Central& entry) {
  if (entry.name.empty()) return refused("it has an entry without a name");
  if (entry.name.find('\\') != std::string_view::npos) return refused(entry.name, "has a backslash in its name");
  if (entry.name.find('\0') != std::string_view::npos) return refused(entry.name, "has a NUL in its name");
  if (entry.flags & kEncrypted) return refused(entry.name, "is encrypted");
  if (entry.flags & kPatch) return refused(entry.name, "is a patch");
  if (entry.method != 0 && entry.method != 8)
    return refused(entry.name, fmt::format("is packed by method {}; use store or deflate", entry.method));
  if (entry.method == 0 && entry.size != entry.compressed) return refused(entry.name, "states two sizes");
  return check_type(entry);
}

Result<std::vector<Central>> read_directory(std::string_view archive, const Directory& where,
                                            std::uint64_t most_entries) {
  if (where.entries > most_entries)
    return refused(
        fmt::format("it has {} entries, more than {}; raise that cap with --max-files", where.entries, most_entries));
  std::string_view rest = archive.substr(where.offset, where.size);
  std::vector<Central> entries;
  while (!rest.empty()) {
    if (entries.size() == where.entries) return refused("its central directory has more entries than it states");
    if (rest.size() < kCentralBytes || !rest.starts_with(kCentral))
      return refused("its central directory is malformed");
    const std::uint64_t name = number(rest, 28, 2), extra = number(rest, 30, 2), comment = number(rest, 32, 2);
    if (rest.size() - kCentralBytes < name + extra + comment) return refused("its central directory is truncated");
    if (number(rest, 34, 2) != 0) return refused("it spans several disks");
    Central entry;
    entry.flags = number(rest, 8, 2);
    entry.method = number(rest, 10, 2);
    entry.crc = number(rest, 16, 4);
    entry.compressed = number(rest, 20, 4);
    entry.size = number(rest, 24, 4);
    entry.attributes = number(rest, 38, 4);
    entry.offset = number(rest, 42, 4);
    entry.name = rest.substr(kCentralBytes, name);
    entry.extra = rest.substr(kCentralBytes + name, extra);
    TRY_STATUS(read_extra(entry));
    TRY_STATUS(check_entry(entry));
    entries.push_back(entry);
    rest.remove_prefix(kCentralBytes + name + extra + comment);
  }
  if (entries.size() != where.entries) return refused("its central directory has fewer entries than it states");
  return entries;
}

// Whether the data descriptor between the data's end and `next` says what the central directory says.
bool descriptor_agrees(std::string_view between, const Central& entry) {
  if (between.starts_with(kDescriptor) && (between.size() == 16 || between.size() == 24)) between.remove_prefix(4);
  if (between.size() != 12 && between.size() != 20) return false;
  const std::size_t width = between.size() == 12 ? 4 : 8;
  return number(between, 0, 4) == entry.crc && number(between, 4, width) == entry.compressed &&
         number(between, 4 + width, width) == entry.size;
}

// The local header must say what the central directory says, and its data must end where `next` begins.
Status check_local(std::string_view archive, const Central& entry, std::uint64_t next) {
  if (entry.offset > next || next - entry.offset < kLocalBytes || archive.substr(entry.offset, 4) != kLocal)
    return refused(entry.name, "overlaps another or has no local header");
  const std::string_view local = archive.substr(entry.offset, next - entry.offset);
  const std::uint64_t name = number(local, 26, 2), extra = number(local, 28, 2);
  if (local.size() - kLocalBytes < name + extra) return refused(entry.name, "overlaps another");
  Central here;
  here.name = local.substr(kLocalBytes, name);
  here.extra = local.substr(kLocalBytes + name, extra);
  here.crc = number(local, 14, 4);
  here.compressed = number(local, 18, 4);
  here.size = number(local, 22, 4);
  const bool streamed = entry.flags & kHasDescriptor;
  const bool unstated = streamed && here.crc == 0 && (here.compressed == 0 || here.compressed == kIn64) &&
                        (here.size == 0 || here.size == kIn64);
  if (here.name != entry.name) return refused(entry.name, "has another name in its local header");
  if (number(local, 6, 2) != entry.flags || number(local, 8, 2) != entry.method)
    return refused(entry.name, "is another thing in its local header");
  TRY_STATUS(read_extra(here));
  if (!unstated && (here.crc != entry.crc || here.compressed != entry.compressed || here.size != entry.size))
    return refused(entry.name, "has other sizes in its local header");
  const std::uint64_t room = local.size() - kLocalBytes - name - extra;
  if (entry.compressed > room) return refused(entry.name, "overlaps another or is truncated");
  const std::string_view between = local.substr(local.size() - (room - entry.compressed));
  if (between.empty() ? streamed : !streamed || !descriptor_agrees(between, entry))
    return refused(entry.name, "is followed by bytes that belong to no entry");
  return {};
}

}  // namespace

Result<std::vector<ZipEntry>> check_zip(std::string_view archive, std::uint64_t most_entries) {
  TRY(const Directory where, find_directory(archive));
  TRY(std::vector<Central> entries, read_directory(archive, where, most_entries));
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Central& a, const Central& b) { return a.offset < b.offset; });
  const std::uint64_t first = entries.empty() ? where.offset : entries.front().offset;
  if (first != 0) return refused("bytes precede its first entry, so two readers may see two archives");
  std::vector<ZipEntry> result;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Central& entry = entries[i];
    TRY_STATUS(check_local(archive, entry, i + 1 < entries.size() ? entries[i + 1].offset : where.offset));
    std::string name(entry.name);
    const bool directory = name.ends_with('/');
    if (directory) name.pop_back();
    result.push_back({std::move(name), directory, entry.size, entry.compressed, entry.offset});
  }
  return result;
}

}  // namespace sandbox_run::ingest
