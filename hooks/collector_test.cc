// The collector as a run has it: a thread, a socket, two memory files; the test plays the program.
#include "hooks/collector.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/testing.h"
#include "hooks/clock.h"
#include "hooks/control_socket.h"
#include "hooks/testing/program.h"

namespace sandbox_run::hooks {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kSite = 0x500000;

class CollectorTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "collector-XXXXXX";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    socket_ = directory_ + "/control";
    ASSERT_OK_AND_ASSIGN(RuleSet rules, parse_rules(rules_text("{argument: name, prefix: /}", true), "rules.yaml"));
    ASSERT_OK_AND_ASSIGN(ControlPage control, ControlPage::create(rules));
    ASSERT_OK_AND_ASSIGN(Ring ring, Ring::create(kSlots));
    Sites sites;
    Site site;
    site.address = kSite;
    site.options = kSiteHasExit;
    site.function = "os.OpenFile";
    site.inputs = {"name"};
    site.results = {"err"};
    sites.sites.push_back(site);
    ASSERT_OK_AND_ASSIGN(collector_,
                         Collector::start({.witnessed_calls = explained_calls(rules), .control_socket = socket_},
                                          std::move(rules), std::move(sites), std::move(control), std::move(ring)));
    page_ = static_cast<const std::uint8_t*>(
        ::mmap(nullptr, kControlSize, PROT_READ, MAP_SHARED, collector_->control_fd(), 0));
    ring_size_ = kSlotsOffset + kSlots * kSlotSize;
    ring_ = static_cast<std::uint8_t*>(
        ::mmap(nullptr, ring_size_, PROT_READ | PROT_WRITE, MAP_SHARED, collector_->ring_fd(), 0));
    ASSERT_NE(static_cast<const void*>(page_), MAP_FAILED);
    ASSERT_NE(static_cast<void*>(ring_), MAP_FAILED);
  }
  void TearDown() override {
    ::munmap(const_cast<std::uint8_t*>(page_), kControlSize);
    ::munmap(ring_, ring_size_);
    collector_.reset();
    ::rmdir(directory_.c_str());
  }

  static std::string rules_text(const std::string& when, bool active) {
    return "version: 1\nrules:\n- name: open\n  at: os.OpenFile\n  do: {record: {arguments: [name], results: [err]}}\n"
           "  explains: [openat]\n  active: " +
           std::string(active ? "true" : "false") + (when.empty() ? "" : "\n  when: " + when) + "\n";
  }
  std::uint32_t word(std::uint32_t offset) const {
    std::uint32_t value;
    std::memcpy(&value, page_ + offset, sizeof value);
    return value;
  }
  // As the hook runtime writes, through the program's own mapping.
  std::uint64_t write(SlotKind kind, std::uint64_t frame, const std::string& payload) {
    auto at = [&](std::size_t offset) { return reinterpret_cast<std::uint64_t*>(ring_ + offset); };
    const std::uint64_t position = __atomic_fetch_add(at(kReservedOffset), 1, __ATOMIC_SEQ_CST);
    Slot slot = event(kind, kSite, monotonic_ns(), 1, kind == SlotKind::enter ? position + 1 : frame, payload);
    const std::size_t offset = kSlotsOffset + (position & (kSlots - 1)) * kSlotSize;
    std::memcpy(ring_ + offset + 8, reinterpret_cast<const char*>(&slot) + 8, sizeof slot - 8);
    __atomic_store_n(at(offset), position + 1, __ATOMIC_RELEASE);
    return position + 1;
  }
  WitnessedCall open(const std::string& path) const {
    WitnessedCall call{.thread = 1, .number = SYS_openat, .time_ns = monotonic_ns()};
    call.arguments[0] = static_cast<std::uint64_t>(AT_FDCWD);
    call.path = path;
    return call;
  }
  Result<std::string> request(ControlRequest::Kind kind, const std::string& rule = "", const std::string& text = "") {
    return ask(socket_, {.kind = kind, .rule = rule, .name = "new.yaml", .text = text});
  }

  static constexpr std::uint32_t kSlots = 256;
  std::string directory_, socket_;
  std::unique_ptr<Collector> collector_;
  const std::uint8_t* page_ = nullptr;
  std::uint8_t* ring_ = nullptr;
  std::size_t ring_size_ = 0;
};

TEST_F(CollectorTest, AWitnessedCallSeesTheEventThatWasWrittenJustBefore) {
  for (int i = 0; i < 200; ++i) {
    const auto frame = write(SlotKind::enter, 0, text_value(0, "/a"));
    ASSERT_EQ(collector_->witness(open("/a")), JoinVerdict::explained) << i;
    write(SlotKind::exit, frame, nil_value(128));
  }
  const Trace trace = collector_->finish();
  EXPECT_EQ(trace.events.size(), 200u);
  EXPECT_EQ(trace.without_effect, 0u);
  EXPECT_FALSE(trace.forged());
  EXPECT_EQ(trace.dropped + trace.lost, 0u);
}

TEST_F(CollectorTest, TheThreadMakesRoomWhileNobodyCalls) {
  for (int i = 0; i < 10; ++i) {
    for (std::uint32_t j = 0; j < kSlots / 2; ++j) write(SlotKind::exit, write(SlotKind::enter, 0, ""), nil_value(128));
    const auto deadline = monotonic_ns() + 2'000'000'000;
    std::uint64_t consumed = 0, reserved = 1;
    while (consumed != reserved && monotonic_ns() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::memcpy(&consumed, ring_ + kConsumedOffset, sizeof consumed);
      std::memcpy(&reserved, ring_ + kReservedOffset, sizeof reserved);
    }
    ASSERT_EQ(consumed, reserved);
  }
  const Trace trace = collector_->finish();
  EXPECT_EQ(trace.events_counted, 10 * kSlots / 2);
}

TEST_F(CollectorTest, DetachAndAttachTakeEffectAtOnceAndAreNoted) {
  EXPECT_EQ(word(kFlagsOffset), 1u);
  std::vector<std::uint64_t> took_ns;
  for (int i = 0; i < 5; ++i) {
    const auto before = monotonic_ns();
    ASSERT_OK(request(ControlRequest::Kind::detach, "open"));
    EXPECT_EQ(word(kFlagsOffset), 0u);
    ASSERT_OK(request(ControlRequest::Kind::attach, "open"));
    EXPECT_EQ(word(kFlagsOffset), 1u);
    took_ns.push_back(monotonic_ns() - before);
  }
  EXPECT_LT(*std::min_element(took_ns.begin(), took_ns.end()), 20'000'000u) << "two requests";
  const Trace trace = collector_->finish();
  ASSERT_EQ(trace.changes.size(), 10u);
  EXPECT_EQ(trace.changes[0].action, "detach");
  EXPECT_EQ(trace.changes[0].rule, "open");
  EXPECT_EQ(trace.changes[0].uid, ::geteuid());
  EXPECT_LT(trace.changes[0].time_ns, trace.changes[1].time_ns);
}

TEST_F(CollectorTest, AReloadPutsANewConditionInForce) {
  const std::uint32_t epoch = word(offsetof(ControlHeader, epoch));
  ASSERT_OK(request(ControlRequest::Kind::reload, "", rules_text("{argument: name, prefix: /etc/}", false)));
  const std::uint32_t now = word(offsetof(ControlHeader, epoch));
  EXPECT_EQ((now - epoch) & 1, 1u);
  EXPECT_EQ(word(kFlagsOffset), 0u);
  const std::string arena(reinterpret_cast<const char*>(page_) + kArenaOffset[now & 1], 512);
  EXPECT_THAT(arena, HasSubstr("/etc/"));
  collector_->finish();
}

TEST_F(CollectorTest, WhatIsNotBuiltInIsRefusedInWords) {
  auto unknown = request(ControlRequest::Kind::attach, "opne");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().what, HasSubstr("add it to the rules and rebuild; did you mean 'open'?"));
  auto broken = request(ControlRequest::Kind::reload, "", "version: 1\nrules: [");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().what, HasSubstr("new.yaml:"));
  auto other = request(ControlRequest::Kind::reload, "", "version: 1\nrules: [{name: x, at: f, do: count}]\n");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().what, HasSubstr("add it to the rules and rebuild"));
  EXPECT_EQ(word(kFlagsOffset), 1u) << "and nothing has changed";
  collector_->finish();
  auto over = request(ControlRequest::Kind::list);
  ASSERT_FALSE(over);
  EXPECT_THAT(over.error().what, HasSubstr("cannot reach the run"));
}

TEST_F(CollectorTest, TheListSaysWhatIsActive) {
  ASSERT_OK(request(ControlRequest::Kind::detach, "open"));
  ASSERT_OK_AND_ASSIGN(std::string line, request(ControlRequest::Kind::list));
  auto json = nlohmann::json::parse(line);
  ASSERT_EQ(json["rules"].size(), 1u);
  EXPECT_EQ(json["rules"][0]["name"], "open");
  EXPECT_EQ(json["rules"][0]["active"], false);
  collector_->finish();
}

UniqueFd connected(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

TEST_F(CollectorTest, PeersThatSayNothingOrNonsenseHoldUpNobody) {
  struct stat there {};
  ASSERT_EQ(::stat(socket_.c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777, 0600u);
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(connected(socket_));
  UniqueFd liar = connected(socket_);
  const std::string nonsense = "reload 99999999999 x\nattach\n";
  ASSERT_EQ(::send(liar.get(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL), static_cast<ssize_t>(nonsense.size()));
  char answer[200] = {};
  ASSERT_GT(::recv(liar.get(), answer, sizeof answer - 1, 0), 0);
  EXPECT_THAT(answer, HasSubstr("\"ok\":false"));
  EXPECT_OK(request(ControlRequest::Kind::list));
  collector_->finish();
  EXPECT_NE(::stat(socket_.c_str(), &there), 0) << "the socket goes with the run";
}

TEST(ControlSocketAsker, ARefusalThatIsNoTextIsStillARefusal) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/control";
  std::string answer;
  ASSERT_OK_AND_ASSIGN(ControlSocket socket,
                       ControlSocket::listen(path, [&](const ControlRequest&, std::uint32_t) { return answer; }));
  std::atomic<bool> done = false;
  std::thread run([&] {
    while (!done) socket.serve(1);
  });
  const auto asked = [&](const std::string& line) {
    answer = line;
    return ask(path, {.kind = ControlRequest::Kind::list});
  };
  EXPECT_OK(asked(R"({"ok":true})"));  // control
  EXPECT_EQ(asked(R"({"ok":false,"error":"why"})").error().what, "why");
  for (const char* line : {R"({"ok":false,"error":5})", R"({"ok":false})", R"({"ok":5,"error":["why"]})"})
    EXPECT_EQ(asked(line).error().what, "the run refused without a reason") << line;
  EXPECT_FALSE(asked("[true]"));
  done = true;
  run.join();
}

}  // namespace
}  // namespace sandbox_run::hooks
