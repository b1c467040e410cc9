// The three streams, byte for byte, with sources and sinks as shells give them.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <thread>

#include "base/files.h"
#include "launch/testing/sandbox_fixture.h"

namespace sandbox_run::launch {
namespace {

using namespace unit_literals;
using namespace std::chrono_literals;

class ProgramStreams : public SandboxFixture {
 protected:
  static std::string pattern(std::size_t size) {
    std::string text(size, 0);
    for (std::size_t index = 0; index < size; ++index) text[index] = static_cast<char>(index * 7 + index / 251);
    return text;
  }
  struct Pipe {
    UniqueFd read, write;
  };
  static Pipe make_pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
};

TEST_F(ProgramStreams, AMegabyteThroughAPipeComesBackWhole) {
  const std::string text = pattern(1 << 20);
  Pipe in = make_pipe();
  std::thread writer([&] {
    EXPECT_OK(write_all(in.write.get(), text, "pipe"));
    in.write.reset();
  });
  Streams streams = captured();
  streams.input = in.read.get();
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"echo"}, streams));
  writer.join();
  EXPECT_EQ(facts.stdout_stream.captured == text, true);
  EXPECT_FALSE(facts.stdout_stream.truncated);
}

TEST_F(ProgramStreams, ANamedPipeWhoseWriterHasGoneComesToItsEnd) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] {
    const UniqueFd end(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_OK(write_all(end.get(), "all of it", "pipe"));
  });
  const UniqueFd source(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  writer.join();
  Streams streams = captured();
  streams.input = source.get();
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"echo"}, streams));
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  EXPECT_EQ(facts.stdout_stream.captured, "all of it");
}

TEST_F(ProgramStreams, AFileComesThroughWholeAndTheSinkGetsEveryByte) {
  const std::string text = pattern(5'000'001);
  ASSERT_OK_AND_ASSIGN(const UniqueFd source, sealed_memfd("source", text, false));
  ::lseek(source.get(), 0, SEEK_SET);
  const UniqueFd sink(::memfd_create("sink", MFD_CLOEXEC));
  Streams streams;
  streams.input = source.get();
  streams.output = sink.get();
  streams.capture = Bytes{1000};
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"echo"}, streams));
  ::lseek(sink.get(), 0, SEEK_SET);
  ASSERT_OK_AND_ASSIGN(const std::string seen, read_to_end(sink.get(), 64_MiB, "sink"));
  EXPECT_EQ(seen == text, true);
  EXPECT_EQ(facts.stdout_stream.bytes, text.size());
  EXPECT_EQ(facts.stdout_stream.captured, text.substr(0, 1000));
  EXPECT_TRUE(facts.stdout_stream.truncated);
}

TEST_F(ProgramStreams, ASlowPipeReaderGetsEverythingAfterTheProgramsEnd) {
  Pipe out = make_pipe();
  std::string seen;
  std::thread reader([&] {
    std::this_thread::sleep_for(200ms);
    char chunk[4096];
    for (ssize_t got; (got = ::read(out.read.get(), chunk, sizeof chunk)) > 0;)
      seen.append(chunk, static_cast<std::size_t>(got));
  });
  Streams streams = captured();
  streams.output = out.write.get();
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"write", "1", "120000"}, streams));
  out.write.reset();
  reader.join();
  EXPECT_EQ(seen.size(), 120'000u);
  EXPECT_EQ(facts.status->exit_code, 0);
}

TEST_F(ProgramStreams, ASocketServesAsSink) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  Streams streams = captured();
  streams.output = theirs.get();
  ASSERT_OK(run(plan(), {"write", "1", "5000"}, streams));
  theirs.reset();
  ASSERT_OK_AND_ASSIGN(const std::string seen, read_to_end(ours.get(), 1_MiB, "socket"));
  EXPECT_EQ(seen.size(), 5000u);
}

TEST_F(ProgramStreams, InheritedDescriptorsKeepTheirFlags) {
  Pipe in = make_pipe(), out = make_pipe();
  in.write.reset();
  Streams streams = captured();
  streams.input = in.read.get();
  streams.output = out.write.get();
  ASSERT_OK(run(plan(), {"write", "1", "10"}, streams));
  EXPECT_EQ(::fcntl(in.read.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(::fcntl(out.write.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(ProgramStreams, AReaderThatLeavesGivesTheProgramEpipe) {
  Pipe out = make_pipe();
  out.read.reset();
  Streams streams = captured();
  streams.output = out.write.get();
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"write", "1", "10000000"}, streams));
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  EXPECT_EQ(facts.status->exit_code, 3);  // write said EPIPE
  ASSERT_OK_AND_ASSIGN(const Facts killed, run(plan(), {"write-default", "1", "10000000"}, streams));
  EXPECT_EQ(killed.status->signal, SIGPIPE);
}

TEST_F(ProgramStreams, AStuckReaderDoesNotOutliveTheDeadline) {
  Pipe out = make_pipe();
  Plan short_plan = plan();
  short_plan.wall_time = {300ms};
  Streams streams = captured();
  streams.output = out.write.get();
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(short_plan, {"write", "1", "10000000"}, streams));
  EXPECT_EQ(facts.ended, EndedBySupervisor::wall_time);
  EXPECT_LT(facts.cleanup_time, 5s);
}

TEST_F(ProgramStreams, OnePipeForBothKeepsTheOrder) {
  std::string expected;
  for (int index = 0; index < 100; ++index)
    expected += "o" + std::to_string(index) + "\ne" + std::to_string(index) + "\n";
  Streams streams = captured();
  streams.merge = true;
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"both"}, streams));
  EXPECT_EQ(facts.stdout_stream.captured, expected);
  EXPECT_EQ(facts.stderr_stream.bytes, 0u);
  ASSERT_OK_AND_ASSIGN(const Facts apart, run(plan(), {"both"}));
  EXPECT_GT(apart.stderr_stream.bytes, 0u);
}

TEST_F(ProgramStreams, AnEndIsNoticedAtOnce) {
  auto best = std::chrono::microseconds::max();
  for (int round = 0; round < 5; ++round) {
    ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"write", "1", "10"}));
    best = std::min(best, facts.cleanup_time);
  }
  EXPECT_LT(best, 50ms);  // a quarter of a millisecond on a quiet machine
}

TEST_F(ProgramStreams, NoInputIsAnEmptyOne) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"echo"}));
  EXPECT_EQ(facts.status->exit_code, 0);
  EXPECT_EQ(facts.stdout_stream.bytes, 0u);
}

TEST_F(ProgramStreams, InputIsReadOnlyWhileTheProgramHasRoom) {
  Pipe in = make_pipe();
  ASSERT_GT(::fcntl(in.write.get(), F_SETPIPE_SZ, 1 << 20), 0);
  ASSERT_OK(write_all(in.write.get(), pattern(900'000), "pipe"));
  in.write.reset();
  Streams streams = captured();
  streams.input = in.read.get();
  Plan short_plan = plan();
  short_plan.wall_time = {300ms};
  ASSERT_OK(run(short_plan, {"sleep", "60"}, streams));
  ASSERT_OK_AND_ASSIGN(const std::string left, read_to_end(in.read.get(), 1_MiB, "pipe"));
  EXPECT_GE(left.size(), 900'000u - (2u << 16));  // a pipe's and a chunk's worth were taken
}

}  // namespace
}  // namespace sandbox_run::launch
