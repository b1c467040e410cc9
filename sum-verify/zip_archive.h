// ZipArchive: our own reader of zip files (APPNOTE.TXT 6.3.10, the part Go's archive/zip accepts: stored and deflated
// entries, zip64). It sees the entries that archive/zip would see in the same bytes; nobody else's parser ever reads an
// archive that we vouch for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::sum_verify {

struct ZipEntry {
  std::string name;  // as written, not validated
  std::uint16_t flags = 0;
  std::uint16_t method = 0;  // 0 stored, 8 deflated
  std::uint32_t crc32 = 0;
  std::uint64_t compressed_bytes = 0;
  std::uint64_t uncompressed_bytes = 0;
  std::uint64_t header_offset = 0;  // of the local header, from the start of the file
  bool is_directory() const { return name.ends_with('/'); }
};

class ZipArchive {
 public:
  // Reads the central directory of the file `zip_fd` (pread only; the descriptor is borrowed and must outlive the
  // archive). Fails with: Fault::input where it is no zip, Fault::host on I/O; sys_errno EFBIG where it is larger than
  // `limit_bytes` or has more than `limit_entries`.
  static Result<ZipArchive> open(int zip_fd, std::uint64_t limit_bytes, std::uint64_t limit_entries);

  const std::vector<ZipEntry>& entries() const { return entries_; }

  // The entry's content, checked against its declared size and CRC-32. `content` is reused between calls.
  // Fails with: Fault::input naming the entry. Thread: const; callers on several threads use a buffer each.
  Status read(const ZipEntry& entry, std::string& content) const;

 private:
  ZipArchive() = default;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::vector<ZipEntry> entries_;
};

}  // namespace sandbox_run::sum_verify
