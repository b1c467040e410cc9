// A tar stream means the same however it is cut into pieces.
#include <cstdlib>

#include "ingest/tar_check.h"

using namespace sandbox_run::ingest;

namespace {

// The checksum is put right first, so that mutations reach what lies behind it.
std::string repaired(std::string tar) {
  for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
    if (tar.compare(at + 257, 5, "ustar") != 0) continue;
    unsigned sum = 0;
    for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(tar[at + i]);
    for (int digit = 5; digit >= 0; --digit, sum >>= 3)
      tar[at + 148 + static_cast<std::size_t>(digit)] = static_cast<char>('0' + (sum & 7));
    tar[at + 154] = '\0';
    tar[at + 155] = ' ';
  }
  return tar;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string tar = repaired({reinterpret_cast<const char*>(data), size});
  TarCheck whole, cut;
  const bool fed = whole.feed(tar).has_value();
  bool cut_fed = true;
  for (std::size_t at = 0, step = 1; at < tar.size() && cut_fed; at += step, step = step * 3 % 701 + 1)
    cut_fed = cut.feed(std::string_view(tar).substr(at, step)).has_value();
  if (fed != cut_fed || whole.entries().size() != cut.entries().size()) std::abort();
  if (fed && whole.finish().has_value() != cut.finish().has_value()) std::abort();
  for (const TarEntry& entry : whole.entries())
    if (entry.size >= 1ull << 60 || (entry.is_directory && entry.size != 0)) std::abort();
  return 0;
}
