// test_archives: archives byte by byte, so a test can break any field of one.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace sandbox_run::ingest::testing_archives {

inline std::string little(std::uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

inline std::uint32_t crc32(const std::string& data) {
  std::uint32_t crc = ~0u;
  for (unsigned char c : data) {
    crc ^= c;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

// One zip entry, stored. What a test changes differs from what a sound archiver writes.
struct Zipped {
  std::string name, content;
  std::uint32_t mode = 0100644;
  std::string local_name = name;  // in the local header
  std::uint16_t flags = 0x800, method = 0;
  std::string extra, gap;                                           // extra field of both headers; bytes after the data
  std::uint32_t size = static_cast<std::uint32_t>(content.size());  // as the central directory states it
  std::uint32_t crc = crc32(content);
  bool streamed = false;  // sizes follow the data
};

struct Zip {
  std::vector<Zipped> entries;
  std::string prefix, before_end, comment, after;
  int stated_entries = -1;
  std::int64_t shift = 0;  // added to the offset of the central directory

  std::string bytes() const {
    std::string data = prefix, central;
    for (const Zipped& entry : entries) {
      const std::uint64_t offset = data.size() - prefix.size();
      const int flags = entry.flags | (entry.streamed ? 8 : 0);
      const std::string sizes = little(entry.crc, 4) + little(entry.content.size(), 4) + little(entry.size, 4);
      data += "PK\x03\x04" + little(20, 2) + little(flags, 2) + little(entry.method, 2) + little(0x21 << 16, 4);
      data += entry.streamed ? std::string(12, '\0') : sizes;
      data += little(entry.local_name.size(), 2) + little(entry.extra.size(), 2) + entry.local_name + entry.extra +
              entry.content;
      if (entry.streamed) data += "PK\x07\x08" + sizes;
      data += entry.gap;
      central += "PK\x01\x02" + little(3 << 8 | 20, 2) + little(20, 2) + little(flags, 2) + little(entry.method, 2) +
                 little(0x21 << 16, 4) + sizes;
      central +=
          little(entry.name.size(), 2) + little(entry.extra.size(), 2) + little(0, 2) + little(0, 2) + little(0, 2);
      central += little(std::uint64_t{entry.mode} << 16, 4) + little(offset, 4) + entry.name + entry.extra;
    }
    const std::uint64_t count = stated_entries < 0 ? entries.size() : static_cast<std::uint64_t>(stated_entries);
    const std::uint64_t offset = data.size() - prefix.size() + static_cast<std::uint64_t>(shift);
    data += central + before_end + "PK\x05\x06" + little(0, 4) + little(count, 2) + little(count, 2);
    return data + little(central.size(), 4) + little(offset, 4) + little(comment.size(), 2) + comment + after;
  }
};

struct Tarred {
  std::string name, content;
  char type = '0';
  std::string size_field = {};  // verbatim, where a test needs a strange one
  std::string link = {};
  std::string magic = std::string(
      "ustar\0"
      "00",
      8);
};

inline std::string tar_entry(const Tarred& entry) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  char octal[16];
  put(0, entry.name.substr(0, 100));
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  std::snprintf(octal, sizeof octal, "%011llo", static_cast<unsigned long long>(entry.content.size()));
  put(124, entry.size_field.empty() ? octal : entry.size_field);
  put(136, "00000000000");
  put(148, "        ");
  block[156] = entry.type;
  put(157, entry.link);
  put(257, entry.magic);
  unsigned sum = 0;
  for (unsigned char c : block) sum += c;
  std::snprintf(octal, sizeof octal, "%06o", sum);
  put(148, std::string(octal, 6) + std::string(1, '\0') + " ");
  std::string padding((512 - entry.content.size() % 512) % 512, '\0');
  return block + entry.content + padding;
}

inline std::string tar_end() { return std::string(1024, '\0'); }

inline std::string tar(const std::vector<Tarred>& entries) {
  std::string data;
  for (const Tarred& entry : entries) data += tar_entry(entry);
  return data + tar_end();
}

inline std::string pax_record(const std::string& key, const std::string& value) {
  const std::size_t rest = key.size() + value.size() + 3;  // blank, '=', newline
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) ++length;
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

// gzip of stored blocks (RFC 1952, RFC 1951).
inline std::string gzip(const std::string& data) {
  std::string out("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  for (std::size_t at = 0;; at += 65535) {
    const std::string piece = data.substr(at, 65535);
    const bool last = at + 65535 >= data.size();
    out += std::string(1, last ? 1 : 0) + little(piece.size(), 2) + little(~piece.size(), 2) + piece;
    if (last) break;
  }
  return out + little(crc32(data), 4) + little(data.size(), 4);
}

// A Zstandard frame of raw blocks (RFC 8878), without a checksum.
inline std::string zstd(const std::string& data) {
  std::string out = "\x28\xb5\x2f\xfd\xa0" + little(data.size(), 4);
  for (std::size_t at = 0;; at += 100'000) {
    const std::string piece = data.substr(at, 100'000);
    const bool last = at + 100'000 >= data.size();
    out += little(piece.size() << 3 | (last ? 1 : 0), 3) + piece;
    if (last) return out;
  }
}

}  // namespace sandbox_run::ingest::testing_archives
