#include "hooks/sites.h"

#include <gmock/gmock.h>
#include <sys/syscall.h>

#include "base/testing.h"
#include "hooks/testing/elf_image.h"

namespace sandbox_run::hooks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ElfImage image() {
  ElfImage image;
  image.site("os.sandboxSite_0", 3);
  const std::string code = "\x48\x31\xc0\x0f\x05\xc3";
  image.symbol("internal/runtime/syscall/linux.Syscall6", image.add(code), code.size(), STT_FUNC);
  const std::string open("\xb8\x01\x01\x00\x00\x0f\x05\xc3", 8),
      madvise("\x48\xc7\xc0\x1c\x00\x00\x00\x0f\x05\xc3", 10);
  image.symbol("runtime.open.abi0", image.add(open), open.size(), STT_FUNC);
  image.symbol("runtime.madvise.abi0", image.add(madvise), madvise.size(), STT_FUNC);
  image.symbol("runtime.strange.abi0", image.add(code), code.size(), STT_FUNC);  // its number is from elsewhere
  image.symbol("main.raw.abi0", image.add(code), code.size(), STT_FUNC);
  return image;
}

// A function that loads a call's number, and makes the call.
void add_caller(ElfImage& image, const std::string& name, std::int32_t number, unsigned binding = STB_GLOBAL) {
  std::string code = "\xb8" + std::string(reinterpret_cast<const char*>(&number), sizeof number) + "\x0f\x05";
  code += "\xc3";
  image.symbol(name, image.add(code), code.size(), STT_FUNC, binding);
}

Result<Sites> sites_of(std::string_view file) {
  TRY(const ProgramImage image, ProgramImage::of(file));
  return read_sites(image);
}

TEST(Sites, AreReadWithTheirNames) {
  ElfImage elf = image();
  const std::uint64_t address = elf.site("example%2ecom/x.sandboxSite_z12", 1, kSiteAborts, SiteKind::function, "x.F");
  ASSERT_OK_AND_ASSIGN(Sites sites, sites_of(elf.bytes()));
  ASSERT_EQ(sites.sites.size(), 2u);
  const Site& first = sites.sites[0];
  EXPECT_EQ(first.rule, 3u);
  EXPECT_EQ(first.function, "os.OpenFile");
  EXPECT_EQ(first.file, "os/file.go");
  EXPECT_EQ(first.line, 385u);
  EXPECT_THAT(first.inputs, ElementsAre("name", "flag"));
  EXPECT_THAT(first.results, ElementsAre("#0", "err"));
  EXPECT_TRUE(first.has_exit());
  ASSERT_NE(sites.find(address), nullptr);
  EXPECT_EQ(sites.find(address)->function, "x.F");
  EXPECT_EQ(sites.find(address + 1), nullptr);
}

TEST(Sites, SystemCallsAreWhereGoMakesThem) {
  ASSERT_OK_AND_ASSIGN(Sites sites, sites_of(image().bytes()));
  EXPECT_EQ(sites.system_call_returns.size(), 1u);
  ASSERT_EQ(sites.runtime_calls.size(), 2u);
  EXPECT_EQ(sites.runtime_calls[0].number, SYS_openat);
  EXPECT_EQ(sites.runtime_calls[1].number, SYS_madvise);
  EXPECT_EQ(sites.runtime_call(sites.runtime_calls[1].returns_to), &sites.runtime_calls[1]);
  EXPECT_EQ(sites.runtime_call(sites.runtime_calls[1].returns_to + 1), nullptr);
}

TEST(Sites, AFunctionThatIsOnlyCalledLikeOneOfGosMakesNone) {
  ElfImage elf = image();
  const std::string code = "\x0f\x05\xc3";
  for (const char* name : {"runtime.test/x.raw.abi0", "internal/runtime/syscall/mine.Syscall6"})
    elf.symbol(name, elf.add(code), code.size(), STT_FUNC);
  // As the assembler names TEXT runtime·raw<>(SB) of any package.
  for (const char* name : {"runtime.raw", "internal/runtime/syscall.Syscall6", "internal/sandboxhook.systemCall"})
    elf.symbol(name, elf.add(code), code.size(), STT_FUNC, STB_LOCAL);
  add_caller(elf, "runtime.open", SYS_openat, STB_LOCAL);
  add_caller(elf, "runtime.connect.abi0", SYS_connect);  // there for Android
  ASSERT_OK_AND_ASSIGN(Sites sites, sites_of(elf.bytes()));
  EXPECT_EQ(sites.system_call_returns.size(), 1u);
  EXPECT_EQ(sites.runtime_calls.size(), 2u);
  EXPECT_EQ(sites.hook_call_returns.size(), 0u);
}

TEST(Sites, AProgramsOwnVariableOfThatNameIsNoSite) {
  ElfImage elf = image();
  elf.symbol("main.sandboxSite_9", elf.add(std::string(200, 'x')), 200, STT_OBJECT);
  elf.symbol("main.sandboxSite_8", 0x7fffffff0000, 200, STT_OBJECT);
  ASSERT_OK_AND_ASSIGN(Sites sites, sites_of(elf.bytes()));
  EXPECT_EQ(sites.sites.size(), 1u);
}

TEST(Sites, WhatIsNoProgramIsRefused) {
  EXPECT_FALSE(sites_of(std::string_view("")));
  EXPECT_FALSE(sites_of(std::string_view("#!/bin/sh\n")));
  std::string stripped = image().bytes();
  Elf64_Ehdr header;
  std::memcpy(&header, stripped.data(), sizeof header);
  header.e_shnum = 0;
  std::memcpy(stripped.data(), &header, sizeof header);
  auto sites = sites_of(stripped);
  ASSERT_FALSE(sites);
  EXPECT_THAT(sites.error().what, HasSubstr("no symbol table"));
}

TEST(Sites, AnyByteMayBeWrong) {
  const std::string good = image().bytes();
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int bits : {0x01, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ bits);
      (void)sites_of(bad);  // answers, whatever it answers
    }
  for (std::size_t length = 0; length < good.size(); ++length) (void)sites_of(std::string_view(good).substr(0, length));
}

}  // namespace
}  // namespace sandbox_run::hooks
