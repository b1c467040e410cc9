// Every byte of a text archive is its comment, a marker line or a file's content, in order.
#include <cstdlib>

#include "ingest/content_kind.h"
#include "ingest/go_text.h"
#include "ingest/txtar.h"

using namespace sandbox_run::ingest;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const TextArchive archive = parse_txtar(text);
  const char* at = text.data() + archive.comment.size();
  for (const TextArchive::File& file : archive.files) {
    if (file.name.empty() || file.name.data() < at || file.content.data() < file.name.data() + file.name.size())
      std::abort();
    at = file.content.data() + file.content.size();
  }
  if (at != text.data() + text.size()) std::abort();
  (void)content_kind(text);
  (void)package_clause(text);
  (void)inside_literal(text, size / 2);
  return 0;
}
