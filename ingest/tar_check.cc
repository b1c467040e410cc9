#include "ingest/tar_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "ingest/names.h"

namespace sandbox_run::ingest {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kMaxExtension = 1 << 20;
constexpr std::uint64_t kMaxSize = 1ull << 60;

Error refused(const std::string& why) { return input_error("refused the tar archive: " + why); }
Error refused(std::string_view entry, const std::string& why) {
  return input_error(fmt::format("refused the tar archive: entry \"{}\" {}", escape(entry), why));
}

std::string_view text_field(std::string_view block, std::size_t at, std::size_t width) {
  const std::string_view field = block.substr(at, width);
  return field.substr(0, field.find('\0'));
}

// Octal digits between blanks or NULs, or base 256 with the top bit set. Nothing where it is neither, or negative.
std::optional<std::uint64_t> number_field(std::string_view field) {
  std::uint64_t value = 0;
  if (static_cast<unsigned char>(field.front()) == 0x80) {
    for (char c : field.substr(1)) {
      if (value >= kMaxSize >> 8) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  while (!field.empty() && (field.back() == ' ' || field.back() == '\0')) field.remove_suffix(1);
  for (char c : field) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value << 3 | static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

bool checksum_holds(std::string_view block) {
  const auto stated = number_field(block.substr(148, 8));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  return stated && *stated == sum;
}

bool is_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

std::string header_name(std::string_view block) {
  std::string name(text_field(block, 0, 100));
  const std::string_view prefix = text_field(block, 345, 155);
  // Only POSIX's form has a prefix there; GNU's magic ("ustar  ") has times.
  if (block.substr(257, 6) == "ustar\0"sv && !prefix.empty()) return std::string(prefix) + "/" + name;
  return name;
}

std::string kind_of(char type) {
  switch (type) {
    case '1':
      return "is a hard link";
    case '2':
      return "is a symbolic link";
    case '3':
    case '4':
      return "is a device";
    case '6':
      return "is a FIFO";
    case 'S':
      return "is a sparse file";
    case 'V':
      return "is a volume label";
    case 'M':
      return "is the rest of a file from another volume";
  }
  const unsigned char byte = static_cast<unsigned char>(type);
  return byte > 0x20 && byte < 0x7f ? fmt::format("has the type '{}'", type)
                                    : fmt::format("has the type 0x{:02x}", byte);
}

std::uint64_t padded(std::uint64_t size) { return (size + kBlock - 1) / kBlock * kBlock; }

// pax keys that change neither name, size nor type.
bool is_harmless(std::string_view key) {
  for (std::string_view known : {"mtime"sv, "atime"sv, "ctime"sv, "uid"sv, "gid"sv, "uname"sv, "gname"sv, "comment"sv})
    if (key == known) return true;
  for (std::string_view prefix : {"SCHILY.xattr."sv, "SCHILY.acl."sv, "LIBARCHIVE.xattr."sv,
                                  "LIBARCHIVE.creationtime"sv, "RHT.security."sv, "MSWINDOWS."sv})
    if (key.starts_with(prefix)) return true;
  for (std::string_view known : {"SCHILY.dev"sv, "SCHILY.ino"sv, "SCHILY.nlink"sv, "SCHILY.fflags"sv})
    if (key == known) return true;
  return false;
}

}  // namespace

Status TarCheck::feed(std::string_view data) {
  while (!data.empty()) {
    const std::uint64_t pass = std::min<std::uint64_t>(skip_, data.size());
    skip_ -= pass;
    data.remove_prefix(pass);
    if (data.empty()) break;
    const std::size_t wanted = extension_ != 0 ? padded(extension_bytes_) : kBlock;
    if (held_.empty() && data.size() >= wanted && extension_ == 0) {
      TRY_STATUS(header(data.substr(0, kBlock)));
      data.remove_prefix(kBlock);
      continue;
    }
    const std::size_t take = std::min(wanted - held_.size(), data.size());
    held_.append(data.substr(0, take));
    data.remove_prefix(take);
    if (held_.size() < wanted) break;
    TRY_STATUS(extension_ != 0 ? end_extension() : header(held_));
    held_.clear();
  }
  return {};
}

Status TarCheck::finish() const {
  if (skip_ != 0 || !held_.empty() || extension_ != 0 || extended_) return refused("it is truncated");
  if (zero_blocks_ < 2) return refused("it is truncated: its end marker is missing");
  return {};
}

Status TarCheck::header(std::string_view block) {
  if (is_zero(block)) {
    if (extended_) return refused("a name comes without its entry");
    ++zero_blocks_;
    return {};
  }
  if (zero_blocks_ != 0) return refused("bytes follow its end marker");
  if (!checksum_holds(block))
    return refused(entries_.empty() ? "it does not start with a tar header" : "a header is damaged");
  const char type = block[156];
  const auto size = number_field(block.substr(124, 12));
  if (!size) return refused(header_name(block), "states a size that is no number, negative or absurd");
  if (type == 'x' || type == 'g' || type == 'L') return extension(type, *size);
  return entry(block, type, *size);
}

Status TarCheck::extension(char type, std::uint64_t size) {
  if (size == 0 || size > kMaxExtension) return refused("the header of a long name or attribute is empty or too long");
  extension_ = type;
  extension_bytes_ = size;
  return {};
}

Status TarCheck::end_extension() {
  const char type = std::exchange(extension_, 0);
  const std::string_view data = std::string_view(held_).substr(0, extension_bytes_);
  if (type != 'L') return pax(data, type == 'g');
  if (long_name_) return refused("an entry has two long names");
  long_name_ = std::string(data.substr(0, data.find('\0')));
  extended_ = true;
  return {};
}

// Records of "LENGTH KEY=VALUE\n", where LENGTH counts the whole record.
Status TarCheck::pax(std::string_view records, bool global) {
  if (!global) extended_ = true;
  while (!records.empty()) {
    std::size_t length = 0, digits = 0;
    while (digits < records.size() && digits < 8 && records[digits] >= '0' && records[digits] <= '9')
      length = length * 10 + static_cast<std::size_t>(records[digits++] - '0');
    if (digits == 0 || digits + 3 > length || length > records.size() || records[digits] != ' ' ||
        records[length - 1] != '\n')
      return refused("a pax header is malformed");
    const std::string_view record = records.substr(digits + 1, length - digits - 2);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return refused("a pax header is malformed");
    TRY_STATUS(pax_record(record.substr(0, equals), record.substr(equals + 1), global));
    records.remove_prefix(length);
  }
  return {};
}

Status TarCheck::pax_record(std::string_view key, std::string_view value, bool global) {
  if (is_harmless(key)) return {};
  if (global) return refused(fmt::format("a global pax header sets \"{}\"", escape(key)));
  if (key == "path") {
    if (long_name_) return refused("an entry has two long names");
    long_name_ = std::string(value);
    return {};
  }
  if (key == "size") {
    std::uint64_t size = 0;
    for (char c : value) {
      if (c < '0' || c > '9' || size >= kMaxSize / 10)
        return refused("a pax header states a size that is no number, negative or absurd");
      size = size * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (value.empty() || long_size_) return refused("a pax header states no size or two");
    long_size_ = size;
    return {};
  }
  if (key == "hdrcharset" && value == "ISO-IR 10646 2000 UTF-8") return {};
  return refused(fmt::format("a pax header sets \"{}\", which is not supported", escape(key)));
}

Status TarCheck::entry(std::string_view block, char type, std::uint64_t size) {
  TarEntry entry{long_name_ ? *long_name_ : header_name(block), type == '5', long_size_ ? *long_size_ : size};
  long_name_.reset();
  long_size_.reset();
  extended_ = false;
  if (type != '0' && type != '\0' && type != '5')
    return refused(entry.name, kind_of(type) + "; only regular files and directories are accepted");
  if (entry.name.find('\0') != std::string::npos) return refused(entry.name, "has a NUL in its name");
  if (entry.name.ends_with('/')) entry.is_directory = true;  // how v7 wrote them
  if (entry.is_directory && entry.size != 0) return refused(entry.name, "is a directory with content");
  if (entry.size >= kMaxSize) return refused(entry.name, "states an absurd size");
  while (entry.is_directory && entry.name.size() > 1 && entry.name.ends_with('/')) entry.name.pop_back();
  if (entry.name.starts_with("./") && entry.name.size() > 2) entry.name.erase(0, 2);
  if (entry.name == "." && !entry.is_directory) return refused(entry.name, "is a file without a name");
  skip_ = padded(entry.size);
  entries_.push_back(std::move(entry));
  return {};
}

}  // namespace sandbox_run::ingest
