// Whatever the archive reader writes, the parser hands on a well-formed sequence, however the bytes are cut.
#include <cstdlib>

#include "ingest/frames.h"

using namespace sandbox_run;
using namespace sandbox_run::ingest;

namespace {

struct Checker final : FrameSink {
  Status on_file(const std::string& path, Bytes) override {
    if (in_file || path.size() > kMaxFramePath) std::abort();
    in_file = true;
    seen += "F" + path;
    return {};
  }
  Status on_directory(const std::string& path) override {
    if (in_file) std::abort();
    seen += "D" + path;
    return {};
  }
  Status on_content(std::string_view data) override {
    if (!in_file || data.empty()) std::abort();
    seen += data;
    return {};
  }
  Status on_end_file() override {
    if (!in_file) std::abort();
    in_file = false;
    seen += "E";
    return {};
  }
  bool in_file = false;
  std::string seen;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string stream = std::string(kFrameMagic) + std::string(reinterpret_cast<const char*>(data), size);
  Checker whole, cut;
  FrameParser one(whole), many(cut);
  const bool accepted = one.feed(stream).has_value();
  bool cut_accepted = true;
  for (std::size_t at = 0, step = 1; at < stream.size() && cut_accepted; at += step, step = step % 7 + 1)
    cut_accepted = many.feed(std::string_view(stream).substr(at, step)).has_value();
  if (accepted != cut_accepted || whole.seen != cut.seen || one.complete() != many.complete()) std::abort();
  if (one.complete() && whole.in_file) std::abort();
  return 0;
}
