#include "runner/cancel_watch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <future>

#include "base/testing.h"

namespace sandbox_run::runner {
namespace {

class CancelWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    sigset_t term;
    ::sigemptyset(&term);
    ::sigaddset(&term, SIGTERM);
    ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &term, &before_), 0);
    signals_.reset(::signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK));
    ASSERT_TRUE(signals_);
  }
  void TearDown() override { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  UniqueFd signals_;
  sigset_t before_;
};

TEST_F(CancelWatchTest, TheFirstSignalIsHandedOn) {
  std::promise<int> seen;
  ASSERT_OK_AND_ASSIGN(const CancelWatch watch,
                       CancelWatch::start(signals_.get(), [&](int signal) { seen.set_value(signal); }));
  ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
  EXPECT_EQ(seen.get_future().get(), SIGTERM);
}

TEST_F(CancelWatchTest, WithoutASignalItEndsWithTheStage) {
  ASSERT_OK_AND_ASSIGN(const CancelWatch watch, CancelWatch::start(signals_.get(), [](int) { FAIL(); }));
}

TEST_F(CancelWatchTest, WithoutADescriptorForItsEndNothingIsWatchedAndThatIsSaid) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  Result<CancelWatch> watch = CancelWatch::start(signals_.get(), [](int) {});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().fault, Fault::host);
  EXPECT_EQ(watch.error().sys_errno, EMFILE);
}

}  // namespace
}  // namespace sandbox_run::runner
