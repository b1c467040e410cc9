// frames: what sandbox-run-unarchive writes to its standard output, and the reader that believes none of it.
//
// Stream: "SRUA1\n", then frames of {type: 1 byte, length: 4 bytes little-endian, payload}.
//   file       8 bytes size (little-endian), then the path
//   directory  the path
//   content    bytes of the file begun
//   end_file   nothing; the content is complete
//   end        8 bytes: how many files came; the last frame
//   refusal    text: why the archive is refused; the last frame
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/units.h"

namespace sandbox_run::ingest {

enum class Frame : char {
  file = 'F',
  directory = 'D',
  content = 'C',
  end_file = 'E',
  end = 'Z',
  refusal = 'R',
};

inline constexpr std::string_view kFrameMagic = "SRUA1\n";
inline constexpr std::uint32_t kMaxFramePayload = 1 << 20;
inline constexpr std::uint32_t kMaxFramePath = 64 << 10;

std::string frame_header(Frame type, std::size_t payload_bytes);
std::string little_endian(std::uint64_t value);

// What the frames mean to their reader. A failed Status ends the reading and is handed on.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  virtual Status on_file(const std::string& path, Bytes size) = 0;
  virtual Status on_directory(const std::string& path) = 0;
  virtual Status on_content(std::string_view data) = 0;  // of the file last begun
  virtual Status on_end_file() = 0;
};

// Takes the stream in pieces of any size. Fails with: Fault::input and the refusal's own text; Fault::self where the
// stream breaks its grammar (the helper is broken or taken over).
class FrameParser {
 public:
  explicit FrameParser(FrameSink& sink) : sink_(sink) {}
  Status feed(std::string_view data);
  bool complete() const { return state_ == State::done; }  // the end frame has come

 private:
  enum class State { magic, header, payload, content, done };
  Status start_frame();
  Status end_frame();
  std::size_t wanted() const;

  FrameSink& sink_;
  State state_ = State::magic;
  Frame type_{};
  std::uint32_t left_ = 0;  // of the payload
  std::string held_;        // a header or a payload that is not all there
  bool in_file_ = false;
  std::uint64_t files_ = 0;
};

}  // namespace sandbox_run::ingest
