// An accepted zip archive is filled by its entries: in order, inside the file, without overlap.
#include <cstdlib>

#include "ingest/zip_check.h"

using namespace sandbox_run::ingest;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto entries = check_zip({reinterpret_cast<const char*>(data), size}, 1000);
  if (!entries) {
    if (entries.error().fault != sandbox_run::Fault::input || entries.error().what.empty()) std::abort();
    return 0;
  }
  std::uint64_t end = 0;
  for (const ZipEntry& entry : *entries) {
    if (entry.offset < end || entry.compressed_size > size || entry.offset > size - entry.compressed_size) std::abort();
    end = entry.offset + 30 + entry.compressed_size;
  }
  if (end > size || entries->size() > 1000) std::abort();
  return 0;
}
