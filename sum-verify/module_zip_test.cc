#include "sum-verify/module_zip.h"

#include <gmock/gmock.h>

#include "sum-verify/testing.h"

namespace sandbox_run::sum_verify {
namespace {

using namespace testing;
using ::testing::HasSubstr;

const ModuleVersion kModule{"example.org/m", "v1.0.0"};

Files good_files() {
  return module_files(kModule, {{"go.mod", "module example.org/m\n"}, {"a.go", "package a\n"}, {"sub/b.go", ""}});
}

std::string problem_of(const std::string& zip) {
  const auto content = hash_module_zip(memory_file(zip).get(), kModule);
  return content ? "" : content.error().what;
}
std::string problem_of(const Files& files) { return problem_of(make_zip(module_files(kModule, files))); }

TEST(ModuleZip, TheHashCoversNamesAndContent) {
  for (const bool deflates : {false, true}) {
    for (const bool descriptors : {false, true}) {
      const std::string zip = make_zip(good_files(), {.deflate = deflates, .descriptors = descriptors});
      ASSERT_OK_AND_ASSIGN(const ModuleZipContent content, hash_module_zip(memory_file(zip).get(), kModule));
      EXPECT_EQ(content.h1, h1_of(good_files()));
      EXPECT_EQ(content.go_mod, "module example.org/m\n");
    }
  }
}

TEST(ModuleZip, DirectoryEntriesCountInTheHashAndMakeNoFiles) {
  Files files = good_files();
  files.emplace_back("example.org/m@v1.0.0/sub/", "");
  const std::string zip = make_zip(files);
  ASSERT_OK_AND_ASSIGN(const ModuleZipContent content, hash_module_zip(memory_file(zip).get(), kModule));
  EXPECT_EQ(content.h1, h1_of(files));
  EXPECT_NE(content.h1, h1_of(good_files()));
  TemporaryDirectory directory;
  ASSERT_OK_AND_ASSIGN(const UniqueFd fd, open_path(directory.path(), O_RDONLY | O_DIRECTORY));
  EXPECT_OK(extract_module_zip(memory_file(zip).get(), kModule, content.h1, fd.get()));
}

TEST(ModuleZip, ExtractionWritesExactlyWhatWasHashed) {
  const std::string zip = make_zip(good_files());
  TemporaryDirectory directory;
  ASSERT_OK_AND_ASSIGN(const UniqueFd fd, open_path(directory.path(), O_RDONLY | O_DIRECTORY));
  ASSERT_OK(extract_module_zip(memory_file(zip).get(), kModule, h1_of(good_files()), fd.get()));
  ASSERT_OK_AND_ASSIGN(const std::vector<HashedFile> written, hash_tree(fd.get(), "example.org/m@v1.0.0", 1 << 20));
  EXPECT_EQ(h1_of_files(written).value(), h1_of(good_files()));
  struct stat info {};
  ASSERT_EQ(::fstatat(fd.get(), "sub/b.go", &info, 0), 0);
  EXPECT_EQ(info.st_mode & 07777, 0444u);
}

TEST(ModuleZip, ExtractionRefusesAZipThatChangedAfterItWasVerified) {
  TemporaryDirectory directory;
  ASSERT_OK_AND_ASSIGN(const UniqueFd fd, open_path(directory.path(), O_RDONLY | O_DIRECTORY));
  Files changed = good_files();
  changed[1].second = "package evil\n";
  const Status status =
      extract_module_zip(memory_file(make_zip(changed)).get(), kModule, h1_of(good_files()), fd.get());
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().what, HasSubstr("changed"));
}

TEST(ModuleZip, NamesThatWouldMisleadAreRefused) {
  EXPECT_EQ(problem_of(Files{{"ok.go", ""}}), "");
  for (const char* bad : {"../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "a/..", "nul", "x\\y", "a:b",
                          "a\nb", "\xff", "..", "sub/go.mod", "GO.MOD", "Go.mod"}) {
    EXPECT_NE(problem_of(Files{{bad, ""}}), "") << bad;
  }
  EXPECT_THAT(problem_of(make_zip({{"example.org/m@v1.0.1/a.go", ""}})), HasSubstr("does not have prefix"));
  EXPECT_THAT(problem_of(make_zip({{"a.go", ""}})), HasSubstr("does not have prefix"));
}

TEST(ModuleZip, DuplicatesAndCollisionsAreRefused) {
  EXPECT_THAT(problem_of(Files{{"a.go", "1"}, {"a.go", "2"}}), HasSubstr("multiple entries for file"));
  EXPECT_THAT(problem_of(Files{{"a.go", ""}, {"A.go", ""}}), HasSubstr("case-insensitive file name collision"));
  EXPECT_THAT(problem_of(Files{{"sub/a.go", ""}, {"SUB/b.go", ""}}), HasSubstr("case-insensitive file name collision"));
  EXPECT_THAT(problem_of(Files{{"a", ""}, {"a/b.go", ""}}), HasSubstr("both a file and a directory"));
  EXPECT_THAT(problem_of(Files{{"a/b.go", ""}, {"a", ""}}), HasSubstr("both a file and a directory"));
  EXPECT_EQ(problem_of(Files{{"a/b.go", ""}, {"a/c.go", ""}, {"a/", ""}}), "");
}

TEST(ModuleZip, WrongChecksumsSizesAndMethodsAreRefused) {
  const std::string zip = make_zip(good_files());
  const std::size_t central = zip.find("PK\x01\x02");
  const auto bend = [&](std::size_t offset, char value) {
    std::string bent = zip;
    bent[central + offset] = value;
    return problem_of(bent);
  };
  EXPECT_EQ(bend(16, zip[central + 16]), "");  // the control: nothing bent
  EXPECT_THAT(bend(16, static_cast<char>(zip[central + 16] ^ 1)), HasSubstr("checksum error"));
  EXPECT_THAT(bend(24, static_cast<char>(zip[central + 24] + 1)), HasSubstr("declared size"));
  EXPECT_THAT(bend(24, static_cast<char>(zip[central + 24] - 1)), HasSubstr("declared size"));
  EXPECT_THAT(bend(10, 12), HasSubstr("unsupported compression algorithm"));
}

TEST(ModuleZip, ALieAboutTheSizeIsRefusedBeforeMemoryIsSetAside) {
  std::string zip = make_zip(good_files());
  const std::size_t central = zip.find("PK\x01\x02");
  zip[central + 27] = 0x1f;  // half a GiB out of some bytes
  EXPECT_NE(problem_of(zip), "");
}

TEST(ModuleZip, AHeaderOutsideTheFileIsTheZipsFault) {
  const auto with_header_at = [](std::uint64_t offset) {
    std::string zip = make_zip(good_files());
    const std::size_t central = zip.find("PK\x01\x02"), end = zip.rfind("PK\x05\x06");
    const auto put = [&](std::size_t at, std::uint64_t value, std::size_t size) {
      for (std::size_t i = 0; i < size; ++i) zip[at + i] = static_cast<char>(value >> (8 * i));
    };
    const auto field = [&](std::size_t at) { return static_cast<unsigned char>(zip[at]); };
    put(end + 12, field(end + 12) + 256u * field(end + 13) + 12, 4);  // the directory grows by the zip64 field
    put(central + 30, 12, 2);
    put(central + 42, 0xffffffff, 4);
    std::string extra("\x01\0\x08\0", 4);
    for (int i = 0; i < 8; ++i) extra += static_cast<char>(offset >> (8 * i));
    return zip.insert(central + 46 + field(central + 28), extra);
  };
  EXPECT_EQ(problem_of(with_header_at(0)), "") << "the control: where it is";
  for (const std::uint64_t offset : {1ull << 20, 1ull << 63, ~0ull, ~0ull - 20})
    EXPECT_THAT(problem_of(with_header_at(offset)), HasSubstr("begins past the end")) << offset;
}

TEST(ModuleZip, OverTheLimitsTheErrorSaysSo) {
  std::string zip = make_zip(good_files());
  const std::size_t central = zip.find("PK\x01\x02");
  zip[central + 27] = 0x40;  // 1 GiB declared, above 500 MiB
  const auto content = hash_module_zip(memory_file(zip).get(), kModule);
  ASSERT_FALSE(content.has_value());
  EXPECT_EQ(content.error().sys_errno, EFBIG);
  const auto archive = ZipArchive::open(memory_file(zip).get(), 10, 10);
  ASSERT_FALSE(archive.has_value());
  EXPECT_EQ(archive.error().sys_errno, EFBIG);
}

TEST(ModuleZip, DeepAndLongNamesHaveALimit) {
  std::string deep;
  while (deep.size() < 3000) deep += "d/";
  EXPECT_EQ(problem_of(Files{{deep + "a.go", ""}}), "");
  while (deep.size() < 60'000) deep += "d/";
  const auto content =
      hash_module_zip(memory_file(make_zip(module_files(kModule, {{deep + "a.go", ""}}))).get(), kModule);
  ASSERT_FALSE(content.has_value());
  EXPECT_EQ(content.error().sys_errno, EFBIG);
}

TEST(ModuleZip, BytesBeforeAndBehindTheArchiveAreReadAsGoReadsThem) {
  EXPECT_EQ(problem_of(make_zip(good_files(), {.prefix = "#!/bin/sh\nexit 1\n"})), "");
  EXPECT_EQ(problem_of(make_zip(good_files(), {.comment = std::string(60'000, 'x')})), "");
  EXPECT_NE(problem_of(make_zip(good_files()) + std::string(70'000, 'x')), "");
}

TEST(ModuleZip, TruncationAnywhereIsRefused) {
  const std::string zip = make_zip(good_files());
  for (std::size_t length = 0; length < zip.size(); ++length)
    EXPECT_NE(problem_of(zip.substr(0, length)), "") << length;
}

TEST(ModuleZip, AFlippedByteNeverGivesTheSameHashAndOtherFiles) {
  const std::string zip = make_zip(good_files());
  const std::string h1 = h1_of(good_files());
  for (std::size_t i = 0; i < zip.size(); ++i) {
    std::string bent = zip;
    bent[i] = static_cast<char>(bent[i] ^ 0x55);
    const UniqueFd fd = memory_file(bent);
    const auto content = hash_module_zip(fd.get(), kModule);
    if (!content || content->h1 != h1) continue;
    // A byte that nobody reads (a time stamp): what is unpacked must then be the same too.
    TemporaryDirectory directory;
    ASSERT_OK_AND_ASSIGN(const UniqueFd tree, open_path(directory.path(), O_RDONLY | O_DIRECTORY));
    EXPECT_OK(extract_module_zip(fd.get(), kModule, h1, tree.get()));
    ASSERT_OK_AND_ASSIGN(const auto written, hash_tree(tree.get(), "example.org/m@v1.0.0", 1 << 20));
    EXPECT_EQ(h1_of_files(written).value(), h1) << i;
  }
}

TEST(HashTree, SpecialFilesAreNamedAndNeverOpened) {
  TemporaryDirectory directory;
  ASSERT_EQ(::mkfifo((directory.path() + "/fifo").c_str(), 0644), 0);
  ASSERT_OK_AND_ASSIGN(const UniqueFd fd, open_path(directory.path(), O_RDONLY | O_DIRECTORY));
  const auto fifo = hash_tree(fd.get(), "m", 1 << 20);
  ASSERT_FALSE(fifo.has_value());
  EXPECT_THAT(fifo.error().what, HasSubstr("m/fifo"));
  ASSERT_EQ(::unlinkat(fd.get(), "fifo", 0), 0);
  ASSERT_EQ(::symlinkat("/dev/zero", fd.get(), "zero"), 0);
  EXPECT_FALSE(hash_tree(fd.get(), "m", 1 << 20).has_value());
  ASSERT_EQ(::unlinkat(fd.get(), "zero", 0), 0);
  EXPECT_TRUE(hash_tree(fd.get(), "m", 1 << 20).has_value());  // the control
}

}  // namespace
}  // namespace sandbox_run::sum_verify
