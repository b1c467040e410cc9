#include "hooks/line_table.h"

#include <gtest/gtest.h>

#include "base/testing.h"
#include "hooks/testing/elf_image.h"

namespace sandbox_run::hooks {
namespace {

template <class T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// main.outer, 32 bytes of code at 0x500000 of which bytes 8 to 15 are main.inner, inlined; then main.last, 16 bytes.
// The tables are written as Go's linker writes them.
std::string program() {
  ElfImage elf;
  std::string tree(8, '\0');  // an inlinedCall: function id, name, where it was called, line
  tree.replace(4, 4, std::string("\x0b\0\0\0", 4));
  put(tree, std::uint32_t{7});
  put(tree, std::uint32_t{3});
  const std::uint64_t function_data = elf.add(std::string(8, 'x') + tree);

  const std::string names = std::string("main.outer\0main.inner\0main.last\0", 32);
  std::string units;
  put(units, std::uint32_t{0});
  put(units, std::uint32_t{5});
  const std::string files = std::string("a.go\0b.go\0", 10);
  // Pairs of a change of the value, from -1, and the bytes of code that it holds for; a change is twice its size, or
  // one less than twice where it goes down. The first byte is no table's.
  const std::string counters =
      std::string("\0", 1) +                          //
      std::string("\x02\x08\x02\x08\x01\x10\0", 7) +  // 1, files: a.go, b.go for the inlined part, a.go
      std::string("\x16\x08\x28\x08\x25\x10\0", 7) +  // 8, lines: 10, 30, 11
      std::string("\0\x08\x02\x08\x01\x10\0", 7) +    // 15, index of the inlined call: -1, 0, -1
      std::string("\x02\x10\0", 3) + std::string("\xd0\x0f\x10\0", 4);  // 22, 25: a.go and line 999 of main.last
  auto function = [](std::uint32_t entry, std::uint32_t name, std::uint32_t file, std::uint32_t line,
                     std::uint32_t index, std::uint32_t tree_at) {
    std::string record;
    for (std::uint32_t word : {entry, name, 0u, 0u, 0u, file, line, 3u, 0u, 9u}) put(record, word);
    record += std::string("\0\0\0\x04", 4);
    for (std::uint32_t word : {0u, 0u, index, ~0u, ~0u, ~0u, tree_at}) put(record, word);
    return record;
  };
  const std::string outer = function(0, 0, 1, 8, 15, 8), last = function(32, 22, 22, 25, 0, ~0u);
  std::string index;
  const std::uint32_t index_size = 2 * 8 + 4 + 4;  // and padding
  put(index, std::uint32_t{0});
  put(index, index_size);
  put(index, std::uint32_t{32});
  put(index, static_cast<std::uint32_t>(index_size + outer.size()));
  put(index, std::uint32_t{48});
  index.resize(index_size);

  std::string table;
  put(table, std::uint32_t{0xfffffff1});
  table += std::string("\0\0\x01\x08", 4);
  std::uint64_t at = 8 + 8 * 8;
  for (std::uint64_t word : {std::uint64_t{2}, std::uint64_t{2}, std::uint64_t{0}}) put(table, word);
  for (std::size_t size : {names.size(), units.size(), files.size(), counters.size()}) put(table, at), at += size;
  put(table, at);
  table += names + units + files + counters + index + outer + last;
  elf.symbol("runtime.pclntab", elf.add(table), 0, STT_OBJECT);
  elf.symbol("runtime.text", 0x500000, 0, STT_FUNC);
  elf.symbol("go:func.*", function_data, 0, STT_OBJECT);
  return elf.bytes();
}

std::string words(const std::vector<CodePlace>& places) {
  std::string text;
  for (const CodePlace& place : places)
    text += place.function + " " + place.file + ":" + std::to_string(place.line) + "\n";
  return text;
}

TEST(LineTable, AReturnAddressIsItsCallsFunctionAndLine) {
  const std::string bytes = program();
  ASSERT_OK_AND_ASSIGN(const ProgramImage image, ProgramImage::of(bytes));
  const auto table = LineTable::of(image);
  ASSERT_TRUE(table);
  EXPECT_EQ(words(table->places(0x500001)), "main.outer a.go:10\n");
  EXPECT_EQ(words(table->places(0x500020)), "main.outer a.go:11\n") << "a call that is its last instruction";
  EXPECT_EQ(words(table->places(0x500021)), "main.last a.go:999\n");
}

TEST(LineTable, WhatWasInlinedStandsBeforeWhatItIsIn) {
  const std::string bytes = program();
  ASSERT_OK_AND_ASSIGN(const ProgramImage image, ProgramImage::of(bytes));
  EXPECT_EQ(words(LineTable::of(image)->places(0x50000c)), "main.inner b.go:30\nmain.outer a.go:10\n");
}

TEST(LineTable, AnAddressOfNoFunctionHasNoPlace) {
  const std::string bytes = program();
  ASSERT_OK_AND_ASSIGN(const ProgramImage image, ProgramImage::of(bytes));
  const auto table = LineTable::of(image);
  for (std::uint64_t address : {0ull, 0x500000ull, 0x500031ull, ~0ull}) EXPECT_TRUE(table->places(address).empty());
}

TEST(LineTable, AProgramWithoutOneHasNone) {
  ElfImage elf;
  elf.symbol("runtime.pclntab", elf.add(std::string(100, 'x')), 0, STT_OBJECT);
  const std::string bytes = elf.bytes();
  ASSERT_OK_AND_ASSIGN(const ProgramImage image, ProgramImage::of(bytes));
  EXPECT_FALSE(LineTable::of(image));
}

TEST(LineTable, AnyByteMayBeWrong) {
  const std::string good = program();
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int bits : {0x01, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ bits);
      const auto image = ProgramImage::of(bad);
      if (!image) continue;
      if (const auto table = LineTable::of(*image))
        for (std::uint64_t address = 0x500000; address < 0x500040; ++address) (void)table->places(address);
    }
}

}  // namespace
}  // namespace sandbox_run::hooks
