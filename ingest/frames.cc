#include "ingest/frames.h"

#include <algorithm>

#include "ingest/names.h"

namespace sandbox_run::ingest {
namespace {

constexpr std::size_t kHeaderBytes = 5;

std::uint64_t read_little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

Error broken(const std::string& how) {
  return self_error("the archive reader (sandbox-run-unarchive) broke its own format: " + how);
}

}  // namespace

std::string little_endian(std::uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

std::string frame_header(Frame type, std::size_t payload_bytes) {
  return std::string(1, static_cast<char>(type)) + little_endian(payload_bytes).substr(0, 4);
}

// How many bytes the part being collected needs.
std::size_t FrameParser::wanted() const {
  switch (state_) {
    case State::magic:
      return kFrameMagic.size();
    case State::header:
      return kHeaderBytes;
    case State::payload:
    case State::content:
      return left_;
    case State::done:
      return 0;
  }
  return 0;
}

Status FrameParser::feed(std::string_view data) {
  for (;;) {
    if (state_ == State::done) return data.empty() ? Status() : Status(broken("bytes after its end"));
    if (state_ == State::content && !data.empty()) {
      const std::string_view piece = data.substr(0, left_);
      TRY_STATUS(sink_.on_content(piece));
      left_ -= static_cast<std::uint32_t>(piece.size());
      data.remove_prefix(piece.size());
      if (left_ == 0) state_ = State::header;
      continue;
    }
    const std::size_t take = std::min(wanted() - held_.size(), data.size());
    held_.append(data.substr(0, take));
    data.remove_prefix(take);
    if (state_ == State::content || held_.size() < wanted()) return {};
    switch (state_) {
      case State::magic:
        if (held_ != kFrameMagic) return broken("it does not start with its name");
        state_ = State::header;
        break;
      case State::header:
        TRY_STATUS(start_frame());
        break;
      case State::payload:
        TRY_STATUS(end_frame());
        break;
      case State::content:
      case State::done:
        break;
    }
    held_.clear();
  }
}

Status FrameParser::start_frame() {
  type_ = static_cast<Frame>(held_[0]);
  left_ = static_cast<std::uint32_t>(read_little_endian(std::string_view(held_).substr(1)));
  if (left_ > kMaxFramePayload) return broken("a frame is too long");
  state_ = State::payload;
  switch (type_) {
    case Frame::file:
    case Frame::directory:
      if (in_file_) return broken("an entry starts inside a file");
      if (left_ > kMaxFramePath + 8) return broken("a path is too long");
      return {};
    case Frame::content:
      if (!in_file_) return broken("content without a file");
      state_ = left_ == 0 ? State::header : State::content;
      return {};
    case Frame::end_file:
      if (!in_file_ || left_ != 0) return broken("a file ends that did not start");
      return {};
    case Frame::end:
      if (in_file_ || left_ != 8) return broken("it ends inside a file");
      return {};
    case Frame::refusal:
      return {};
  }
  return broken("a frame of no known type");
}

Status FrameParser::end_frame() {
  state_ = State::header;
  switch (type_) {
    case Frame::file: {
      if (held_.size() < 8) return broken("a file without a size");
      in_file_ = true;
      ++files_;
      return sink_.on_file(held_.substr(8), Bytes{read_little_endian(std::string_view(held_).substr(0, 8))});
    }
    case Frame::directory:
      return sink_.on_directory(held_);
    case Frame::end_file:
      in_file_ = false;
      return sink_.on_end_file();
    case Frame::end:
      if (read_little_endian(held_) != files_) return broken("it counts its files wrongly");
      state_ = State::done;
      return {};
    case Frame::refusal:
      // Written by a process that has read hostile bytes: shown as text, whatever it is.
      return input_error(printable(held_));
    case Frame::content:
      break;
  }
  return broken("a frame of no known type");
}

}  // namespace sandbox_run::ingest
