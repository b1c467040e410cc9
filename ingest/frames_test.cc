#include "ingest/frames.h"

#include <gmock/gmock.h>

#include "base/testing.h"

namespace sandbox_run::ingest {
namespace {

using testing::HasSubstr;

struct Log final : FrameSink {
  Status on_file(const std::string& path, Bytes size) override {
    text += "file " + path + " " + std::to_string(size.count) + "\n";
    return {};
  }
  Status on_directory(const std::string& path) override {
    text += "directory " + path + "\n";
    return {};
  }
  Status on_content(std::string_view data) override {
    content += data;
    return {};
  }
  Status on_end_file() override {
    text += "content " + content + "\n";
    content.clear();
    return {};
  }
  std::string text, content;
};

std::string frame(Frame type, const std::string& payload) { return frame_header(type, payload.size()) + payload; }

const std::string kSound = std::string(kFrameMagic) + frame(Frame::directory, "d") +
                           frame(Frame::file, little_endian(5) + "d/a") + frame(Frame::content, "he") +
                           frame(Frame::content, "") + frame(Frame::content, "llo") + frame(Frame::end_file, "") +
                           frame(Frame::end, little_endian(1));

TEST(Frames, AreReadWholeAndInPieces) {
  for (std::size_t piece : {kSound.size(), std::size_t{1}, std::size_t{7}}) {
    Log log;
    FrameParser parser(log);
    for (std::size_t at = 0; at < kSound.size(); at += piece) {
      EXPECT_FALSE(parser.complete());
      ASSERT_OK(parser.feed(std::string_view(kSound).substr(at, piece)));
    }
    EXPECT_TRUE(parser.complete());
    EXPECT_EQ(log.text, "directory d\nfile d/a 5\ncontent hello\n");
  }
}

TEST(Frames, WhatBreaksTheGrammarIsRefused) {
  const std::string magic(kFrameMagic), file = frame(Frame::file, little_endian(1) + "a");
  const std::string broken[] = {"SRUA2\n",
                                magic + frame(static_cast<Frame>('Q'), "x"),
                                magic + frame(Frame::content, "x"),
                                magic + frame(Frame::end_file, ""),
                                magic + frame(Frame::end, little_endian(1)),
                                magic + file + file,
                                magic + file + frame(Frame::end, little_endian(1)),
                                magic + file + frame(Frame::directory, "d"),
                                magic + frame(Frame::file, "short"),
                                magic + frame_header(Frame::file, kMaxFramePath + 9),
                                magic + frame_header(Frame::refusal, kMaxFramePayload + 1),
                                magic + frame(Frame::end, "x"),
                                kSound + "x"};
  for (const std::string& stream : broken) {
    Log log;
    FrameParser parser(log);
    const Status status = parser.feed(stream);
    ASSERT_FALSE(status) << stream;
    EXPECT_EQ(status.error().fault, Fault::self);
  }
}

TEST(Frames, ARefusalIsShownAsTextWhateverItHolds) {
  Log log;
  FrameParser parser(log);
  const Status status = parser.feed(std::string(kFrameMagic) + frame(Frame::refusal, "bad \x1b[31m \xff entry"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().fault, Fault::input);
  EXPECT_EQ(status.error().what, "bad \\x1b[31m \\xff entry");
}

TEST(Frames, EveryPrefixIsIncompleteAndNothingMore) {
  for (std::size_t size = 0; size < kSound.size(); ++size) {
    Log log;
    FrameParser parser(log);
    EXPECT_OK(parser.feed(std::string_view(kSound).substr(0, size)));
    EXPECT_FALSE(parser.complete());
  }
}

}  // namespace
}  // namespace sandbox_run::ingest
