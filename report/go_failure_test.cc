#include "report/go_failure.h"

#include <gtest/gtest.h>

namespace sandbox_run::report {
namespace {

TEST(GoFailure, ReadsAPanicWithFunctionAndLine) {
  auto failure = parse_go_failure(
      "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 "
      "[running]:\nmain.pick(...)\n\t./main.go:7\n"
      "main.main()\n\t./main.go:11 +0x1d\nexit status 2\n");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind, GoFailure::Kind::panic);
  EXPECT_EQ(failure->message, "runtime error: index out of range [5] with length 3");
  EXPECT_EQ(failure->goroutine, "main.pick");
  EXPECT_EQ(failure->location, "main.go:7");
}

TEST(GoFailure, SkipsTheRuntimesOwnFrames) {
  auto failure = parse_go_failure(
      "panic: boom\n\ngoroutine 7 [running]:\npanic({0x1?, 0x2?})\n\truntime/panic.go:787 +0x132\n"
      "main.(*T).Do(0xc000012345)\n\texample/t.go:3 +0x1\n");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->goroutine, "main.(*T).Do");
  EXPECT_EQ(failure->location, "example/t.go:3");
}

TEST(GoFailure, KnowsDeadlockStackOverflowAndOutOfMemoryFromEachOther) {
  EXPECT_EQ(parse_go_failure(
                "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n")
                ->kind,
            GoFailure::Kind::deadlock);
  EXPECT_EQ(
      parse_go_failure(
          "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n\nruntime stack:\n"
          "goroutine 1 gp=0xc m=0 [running]:\nmain.f()\n")
          ->kind,
      GoFailure::Kind::stack_overflow);
  EXPECT_EQ(parse_go_failure("fatal error: runtime: out of memory\n\nruntime stack:\n")->kind,
            GoFailure::Kind::out_of_memory);
  EXPECT_EQ(parse_go_failure("fatal error: concurrent map writes\n\ngoroutine 5 [running]:\n")->kind,
            GoFailure::Kind::fatal_error);
}

TEST(GoFailure, TextWithoutATraceClaimsNothing) {
  EXPECT_FALSE(parse_go_failure(""));
  EXPECT_FALSE(parse_go_failure("panic: not really\n"));
  EXPECT_FALSE(parse_go_failure("goroutine 1 [running]:\nmain.main()\n"));
}

TEST(GoFailure, TheLastFailureCounts) {
  auto failure = parse_go_failure(
      "panic: first\n\ngoroutine 1 [running]:\nmain.a()\n\npanic: second\n\ngoroutine 1 [running]:\nmain.b()\n");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->message, "second");
  EXPECT_EQ(failure->goroutine, "main.b");
}

TEST(GoFailure, HugeTextIsReadInBoundedTimeAndSpace) {
  std::string text(50 << 20, 'x');
  text += "\npanic: " + std::string(1 << 16, 'y') + "\n\ngoroutine 1 [running]:\nmain.main()\n";
  auto failure = parse_go_failure(text);
  ASSERT_TRUE(failure);
  EXPECT_LE(failure->message.size(), 4096U);
}

}  // namespace
}  // namespace sandbox_run::report
