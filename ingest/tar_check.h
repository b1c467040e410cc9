// tar_check: reads the headers of a tar stream beside the reader that unpacks it, and accepts only what has one
// reading. Source of the formats: POSIX.1-2017 pax ("ustar", "pax Interchange Format"); GNU tar manual, "Basic Tar
// Format".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::ingest {

struct TarEntry {
  std::string name;  // raw, untrusted; without a leading "./" and a directory's trailing slash; "." is the top
  bool is_directory = false;
  std::uint64_t size = 0;
};

// Takes the stream in pieces of any size. Accepted: regular files and directories in v7, ustar, GNU and pax form, the
// long names of GNU and pax, global pax headers that carry a comment only, and after two zero blocks nothing but zeros.
// Fails with: Fault::input; the message names the entry and what is wrong.
class TarCheck {
 public:
  Status feed(std::string_view data);
  Status finish() const;                                             // the stream has ended
  const std::vector<TarEntry>& entries() const { return entries_; }  // in order, as far as they are known

 private:
  Status header(std::string_view block);
  Status entry(std::string_view block, char type, std::uint64_t size);
  Status extension(char type, std::uint64_t size);
  Status end_extension();
  Status pax(std::string_view records, bool global);
  Status pax_record(std::string_view key, std::string_view value, bool global);

  std::string held_;        // a block or an extension that is not all there
  std::uint64_t skip_ = 0;  // content and padding to pass over
  char extension_ = 0;      // the extension header whose data is being collected
  std::uint64_t extension_bytes_ = 0;
  std::optional<std::string> long_name_;
  std::optional<std::uint64_t> long_size_;
  bool extended_ = false;  // an extension waits for its entry
  int zero_blocks_ = 0;
  std::vector<TarEntry> entries_;
};

}  // namespace sandbox_run::ingest
