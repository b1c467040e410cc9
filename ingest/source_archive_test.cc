#include <fcntl.h>
#include <gmock/gmock.h>

#include "ingest/test_archives.h"
#include "ingest/test_tree.h"

namespace sandbox_run::ingest {
namespace {

using namespace testing_archives;
using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kMain = "package main\n\nfunc main() {}\n";

class ArchiveTest : public TreeTest {
 protected:
  // The refusal of an archive with this name and content; "" where it is accepted.
  std::string refusal_of(const std::string& name, const std::string& bytes) {
    put(name, bytes);
    request_.sources = {input(name)};
    return refusal();
  }
  Result<Submission> take_archive(const std::string& name, const std::string& bytes) {
    put(name, bytes);
    return take({input(name)});
  }
};

class EveryFormat : public ArchiveTest, public testing::WithParamInterface<std::string> {
 protected:
  std::string pack(const std::vector<std::pair<std::string, std::string>>& files) const {
    Zip zip;
    std::vector<Tarred> tarred;
    for (const auto& [name, content] : files) {
      zip.entries.push_back({name, content});
      tarred.push_back({name, content});
    }
    if (GetParam() == "a.zip") return zip.bytes();
    if (GetParam() == "a.tar.gz") return gzip(tar(tarred));
    if (GetParam() == "a.tar.zst") return zstd(tar(tarred));
    return tar(tarred);
  }
};

TEST_P(EveryFormat, SnapshotEqualsWhatWasPacked) {
  const std::string large(300'000, 'z');
  ASSERT_OK_AND_ASSIGN(
      Submission submission,
      take_archive(GetParam(),
                   pack({{"main.go", kMain}, {"go.mod", "module m\n"}, {"data/empty", ""}, {"data/large", large}})));
  EXPECT_THAT(paths(submission), ElementsAre("data/empty", "data/large", "go.mod", "main.go"));
  EXPECT_EQ(content(submission, "main.go"), kMain);
  EXPECT_EQ(content(submission, "data/empty"), "");
  EXPECT_EQ(content(submission, "data/large"), large);
  EXPECT_EQ(submission.files[1].sha256, sha256(large));
  EXPECT_EQ(submission.kind, Submission::Kind::archive);
  EXPECT_TRUE(submission.has_go_mod);
  EXPECT_EQ(submission.name, GetParam());
}

TEST_P(EveryFormat, StandardInputIsToldByContent) {
  put("archive", pack({{"main.go", kMain}}));
  ASSERT_OK_AND_ASSIGN(const UniqueFd file, open_path(input("archive"), O_RDONLY));
  request_.standard_input = file.get();
  ASSERT_OK_AND_ASSIGN(Submission submission, take({"-"}));
  EXPECT_EQ(submission.kind, Submission::Kind::standard_input);
  EXPECT_THAT(paths(submission), ElementsAre("main.go"));
}

TEST_P(EveryFormat, HostileNamesAreRefusedAndNothingIsWrittenOutside) {
  for (const char* name : {"../x.go", "/tmp/x.go", "a/../../x.go", "a//x.go",    "a/./x.go",
                           "..",      "a\\x.go",   "C:x.go",       "a\nb.go",    "a\x1b[31m.go",
                           "\xff.go", "caf\xc3",   "a\u200b.go",   "\u202eog.x", "x.go.",
                           "x.go ",   "CON.go",    "-o.go",        "a:b.go",     "\uff0e\uff0e\uff0fx.go"}) {
    const std::string message = refusal_of(GetParam(), pack({{"main.go", kMain}, {name, "x"}}));
    EXPECT_THAT(message, HasSubstr("refused")) << name;
    for (char c : message) EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7f) << name;
  }
  EXPECT_EQ(::access((top_ + "/x.go").c_str(), F_OK), -1);
  EXPECT_EQ(::access("/tmp/x.go", F_OK), -1);
  EXPECT_EQ(refusal_of(GetParam(), pack({{"main.go", kMain}, {"x.go", "package main"}})), "");
}

TEST_P(EveryFormat, DuplicatesAndCollisionsAreRefused) {
  EXPECT_THAT(refusal_of(GetParam(), pack({{"a.go", "x"}, {"a.go", "y"}})), HasSubstr("twice"));
  EXPECT_THAT(refusal_of(GetParam(), pack({{"a.go", "x"}, {"A.go", "y"}})), HasSubstr("collide"));
  EXPECT_THAT(refusal_of(GetParam(), pack({{"caf\u00e9.go", "x"}, {"cafe\u0301.go", "y"}})), HasSubstr("collide"));
  EXPECT_THAT(refusal_of(GetParam(), pack({{"a", "x"}, {"a/b.go", "y"}})), HasSubstr("both a file and a directory"));
}

TEST_P(EveryFormat, NamesKeepTheFormTheyWereWrittenIn) {
  ASSERT_OK_AND_ASSIGN(Submission submission,
                       take_archive(GetParam(), pack({{"cafe\u0301.txt", "x"}, {"main.go", kMain}})));
  EXPECT_THAT(paths(submission), ElementsAre("cafe\u0301.txt", "main.go"));
}

TEST_P(EveryFormat, CapsHold) {
  request_.limits = {2, Bytes{100}, 64, 255};
  EXPECT_EQ(refusal_of(GetParam(), pack({{"a.go", std::string(60, 'x')}, {"b.go", std::string(40, 'y')}})), "");
  EXPECT_THAT(refusal_of(GetParam(), pack({{"a.go", std::string(60, 'x')}, {"b.go", std::string(41, 'y')}})),
              HasSubstr("--max-bytes"));
  EXPECT_THAT(refusal_of(GetParam(), pack({{"a.go", ""}, {"b.go", ""}, {"c.go", ""}})), HasSubstr("--max-files"));
}

TEST_P(EveryFormat, EveryTruncationIsRefused) {
  const std::string whole = pack({{"main.go", kMain}, {"b.go", std::string(700, 'b')}});
  EXPECT_EQ(refusal_of(GetParam(), whole), "");
  const std::size_t step = whole.size() / 40;
  for (std::size_t size = 0; size < whole.size(); size += step)
    EXPECT_NE(refusal_of(GetParam(), whole.substr(0, size)), "") << size << " of " << whole.size();
  if (GetParam() == "a.tar") return;  // zero padding after a tar's end is ordinary
  EXPECT_NE(refusal_of(GetParam(), whole.substr(0, whole.size() - 1)), "");
}

TEST_P(EveryFormat, TrailingBytesAreRefused) {
  const std::string whole = pack({{"main.go", kMain}});
  EXPECT_NE(refusal_of(GetParam(), whole + "x"), "");
  EXPECT_NE(refusal_of(GetParam(), whole + whole), "");
  EXPECT_NE(refusal_of(GetParam(), whole + std::string(600, 'x')), "");
}

TEST_P(EveryFormat, VersionControlDataIsDropped) {
  ASSERT_OK_AND_ASSIGN(
      Submission submission,
      take_archive(GetParam(), pack({{".git/config", "evil"}, {"__MACOSX/._main.go", "x"}, {"main.go", kMain}})));
  EXPECT_THAT(paths(submission), ElementsAre("main.go"));
  EXPECT_THAT(submission.dropped, ElementsAre(HasSubstr(".git"), HasSubstr("__MACOSX")));
}

TEST_P(EveryFormat, TheNameMustNotContradictTheContent) {
  const std::string wrong = GetParam() == "a.zip" ? "b.tar" : "b.zip";
  EXPECT_THAT(refusal_of(wrong, pack({{"main.go", kMain}})), HasSubstr("by its name"));
  EXPECT_EQ(refusal_of("upload.bin", pack({{"main.go", kMain}})), "");
}

INSTANTIATE_TEST_SUITE_P(Archives, EveryFormat, testing::Values("a.zip", "a.tar", "a.tar.gz", "a.tar.zst"),
                         [](const auto& instance) {
                           std::string name = instance.param.substr(2);
                           name.erase(std::remove(name.begin(), name.end(), '.'), name.end());
                           return name;
                         });

class ZipArchive : public ArchiveTest {
 protected:
  std::string refusal_of_zip(const Zip& zip) { return refusal_of("a.zip", zip.bytes()); }
  // In the constructor's body: as the member's initializer it is an internal error of Ubuntu 24.04's GCC 13.
  ZipArchive() { sound_.entries = {{"main.go", kMain}, {"data.txt", "data"}}; }
  Zip sound_;
};

TEST_F(ZipArchive, OnlyOneReadingIsAccepted) {
  EXPECT_EQ(refusal_of_zip(sound_), "");
  Zip other = sound_;
  other.comment = "an ordinary comment";
  EXPECT_EQ(refusal_of_zip(other), "");
  other.comment = sound_.bytes();
  EXPECT_THAT(refusal_of_zip(other), HasSubstr("two readers"));
  other = sound_;
  other.prefix = "#!/bin/sh\n";
  EXPECT_THAT(refusal_of("upload", other.bytes()), HasSubstr("script"));
  other.prefix = sound_.bytes();
  EXPECT_THAT(refusal_of_zip(other), HasSubstr("two readers"));
  other = sound_;
  other.shift = 1;
  EXPECT_THAT(refusal_of_zip(other), HasSubstr("two readers"));
  other = sound_;
  other.before_end = std::string("PK\x05\x06", 4) + std::string(18, '\0');
  EXPECT_THAT(refusal_of_zip(other), HasSubstr("two readers"));
}

TEST_F(ZipArchive, HeadersThatDisagreeAreRefused) {
  Zip zip = sound_;
  zip.entries[0].local_name = "evil.go";
  EXPECT_THAT(refusal_of_zip(zip), HasSubstr("another name"));
  zip = sound_;
  zip.entries[0].gap = "hidden";
  EXPECT_THAT(refusal_of_zip(zip), HasSubstr("belong to no entry"));
  zip = sound_;
  zip.entries[0].size = 3;
  EXPECT_THAT(refusal_of_zip(zip), HasSubstr("two sizes"));
  zip = sound_;
  zip.entries[0].crc ^= 1;
  EXPECT_THAT(refusal_of_zip(zip), HasSubstr("CRC"));
  for (int count : {1, 3}) {
    zip = sound_;
    zip.stated_entries = count;
    EXPECT_THAT(refusal_of_zip(zip), HasSubstr("entries than it states"));
  }
}

TEST_F(ZipArchive, StreamedEntriesAreAccepted) {
  Zip zip = sound_;
  zip.entries[0].streamed = true;
  zip.entries[0].method = 8;
  // One stored deflate block.
  const std::string raw = kMain;
  zip.entries[0].content = std::string(1, '\x01') + little(raw.size(), 2) + little(~raw.size(), 2) + raw;
  zip.entries[0].size = static_cast<std::uint32_t>(raw.size());
  zip.entries[0].crc = crc32(raw);
  ASSERT_OK_AND_ASSIGN(Submission submission, take_archive("a.zip", zip.bytes()));
  EXPECT_EQ(content(submission, "main.go"), kMain);
  zip.entries[0].size += 1;
  EXPECT_NE(refusal_of_zip(zip), "");
}

TEST_F(ZipArchive, EncryptedUnsupportedAndIrregularEntriesAreRefused) {
  Zip zip = sound_;
  zip.entries[0].flags |= 1;
  EXPECT_THAT(refusal_of_zip(zip), HasSubstr("encrypted"));
  zip = sound_;
  zip.entries[0].method = 12;
  EXPECT_THAT(refusal_of_zip(zip), HasSubstr("method 12"));
  for (const auto& [mode, what] : std::vector<std::pair<std::uint32_t, std::string>>{{0120777, "symbolic link"},
                                                                                     {0010644, "no regular file"},
                                                                                     {0020644, "no regular file"},
                                                                                     {0140644, "no regular file"},
                                                                                     {0040755, "both"}}) {
    zip = sound_;
    zip.entries[1].mode = mode;
    EXPECT_THAT(refusal_of_zip(zip), HasSubstr(what)) << std::oct << mode;
  }
  zip = sound_;
  zip.entries[1].mode = 0104755;  // setuid is dropped, not refused
  EXPECT_EQ(refusal_of_zip(zip), "");
}

TEST_F(ZipArchive, ASecondNameInAnExtraFieldIsRefused) {
  Zip zip = sound_;
  const auto unicode_path = [](const std::string& name) {
    return little(0x7075, 2) + little(name.size() + 5, 2) + std::string(5, '\1') + name;
  };
  zip.entries[0].extra = unicode_path("other.go");
  EXPECT_THAT(refusal_of_zip(zip), HasSubstr("second name"));
  zip.entries[0].extra = unicode_path("main.go");
  EXPECT_EQ(refusal_of_zip(zip), "");
}

TEST_F(ZipArchive, EmptyAndDirectoriesOnlyAreExplained) {
  EXPECT_THAT(refusal_of_zip(Zip{}), HasSubstr("holds no files"));
  EXPECT_THAT(refusal_of_zip(Zip{{{"d/", "", 0040755}}}), HasSubstr("holds no files"));
}

TEST_F(ZipArchive, NoFlippedByteGivesAnotherTreeUnnoticed) {
  const std::string bytes = sound_.bytes();
  ASSERT_OK_AND_ASSIGN(Submission sound, take_archive("a.zip", bytes));
  int accepted = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string broken = bytes;
    broken[at] = static_cast<char>(broken[at] ^ 0x55);
    auto submission = take_archive("a.zip", broken);
    if (!submission) {
      EXPECT_EQ(submission.error().fault, Fault::input) << submission.error().what;
      continue;
    }
    ++accepted;  // time stamps, versions, permissions: nothing a build sees
    EXPECT_EQ(submission->tree_digest(), sound.tree_digest()) << "byte " << at;
  }
  EXPECT_LT(accepted, 80);
}

class TarArchive : public ArchiveTest {
 protected:
  std::string refusal_of_tar(const std::vector<Tarred>& entries) { return refusal_of("a.tar", tar(entries)); }
};

TEST_F(TarArchive, LinksDevicesAndUnknownTypesAreRefusedByName) {
  EXPECT_EQ(refusal_of_tar({{"main.go", kMain}}), "");
  for (char type : std::string("123467SVMXKNDA\xff")) {
    const std::string message = refusal_of_tar({{"main.go", kMain}, {"odd", "", type, "", "/etc/passwd"}});
    EXPECT_THAT(message, AllOf(HasSubstr("\"odd\""), HasSubstr("only regular files"))) << type;
  }
}

TEST_F(TarArchive, StrangeSizesAreRefused) {
  for (const std::string& size : {std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\x00", 12),
                                  std::string("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", 12),
                                  std::string("\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12),
                                  std::string("9z!\0", 4), std::string("-0000000001\0", 12)}) {
    EXPECT_THAT(refusal_of_tar({{"main.go", kMain}, {"x", "", '0', size}}),
                AnyOf(HasSubstr("no number"), HasSubstr("--max-bytes")));
  }
  EXPECT_EQ(
      refusal_of_tar({{"main.go", kMain, '0',
                       std::string("\x80\0\0\0\0\0\0\0\0\0\0", 11) + std::string(1, static_cast<char>(kMain.size()))}}),
      "");
}

TEST_F(TarArchive, LongNamesOfGnuAndPaxAreRead) {
  const std::string long_name = std::string(90, 'd') + "/" + std::string(90, 'f') + ".go";
  const std::string gnu("ustar  \0", 8);
  for (const auto& extension :
       {Tarred{"././@LongLink", long_name + std::string(1, '\0'), 'L', "", "", gnu},
        Tarred{"PaxHeaders/x", pax_record("path", long_name) + pax_record("mtime", "1.5"), 'x'}}) {
    ASSERT_OK_AND_ASSIGN(
        Submission submission,
        take_archive("a.tar",
                     tar({extension, {"short", "package main\n", '0', "", "", extension.magic}, {"z.txt", "z"}})));
    EXPECT_THAT(paths(submission), ElementsAre(long_name, "z.txt"));
  }
}

TEST_F(TarArchive, PaxOdditiesAreRefused) {
  const auto with = [&](char type, const std::string& records) {
    return refusal_of_tar({{"x", records, type}, {"main.go", kMain}});
  };
  EXPECT_EQ(with('g', pax_record("comment", "0123456789abcdef")), "");  // git archive
  EXPECT_EQ(with('x', pax_record("SCHILY.xattr.user.x", "a\nb")), "");
  EXPECT_THAT(with('g', pax_record("path", "evil.go")), HasSubstr("global pax header"));
  EXPECT_THAT(with('x', pax_record("linkpath", "/etc/passwd")), HasSubstr("linkpath"));
  EXPECT_THAT(with('x', pax_record("GNU.sparse.major", "1")), HasSubstr("GNU.sparse"));
  EXPECT_THAT(with('x', pax_record("path", "a.go") + pax_record("path", "b.go")), HasSubstr("two long names"));
  EXPECT_THAT(with('x', pax_record("size", "-1")), HasSubstr("no number"));
  EXPECT_THAT(with('x', "99 path=a.go\n"), HasSubstr("malformed"));
  EXPECT_THAT(with('x', "x"), HasSubstr("malformed"));
  EXPECT_THAT(with('x', pax_record("path", "../evil.go")), HasSubstr(".."));
  EXPECT_THAT(with('x', pax_record("path", std::string(70'000, 'n'))), HasSubstr("longer than any path"));
  EXPECT_THAT(
      refusal_of("a.tar", tar_entry({"main.go", kMain}) + tar_entry({"x", pax_record("path", "a"), 'x'}) + tar_end()),
      HasSubstr("without its entry"));
}

TEST_F(TarArchive, TheTopDirectoryMayBeNamed) {
  ASSERT_OK_AND_ASSIGN(
      Submission submission,
      take_archive("a.tar", tar({{"./", "", '5'}, {"./main.go", kMain}, {"./d/", "", '5'}, {"./d/e.txt", ""}})));
  EXPECT_THAT(paths(submission), ElementsAre("d/e.txt", "main.go"));
}

TEST_F(TarArchive, TheEndIsTheEnd) {
  EXPECT_THAT(refusal_of("a.tar", tar_entry({"main.go", kMain})), HasSubstr("end marker is missing"));
  EXPECT_THAT(refusal_of("a.tar", tar({{"main.go", kMain}}) + tar({{"b.go", kMain}})), HasSubstr("follow its end"));
  EXPECT_THAT(refusal_of("a.tar", tar_entry({"main.go", kMain}) + std::string(512, '\0') + tar({{"b.go", kMain}})),
              HasSubstr("follow its end"));
  EXPECT_EQ(refusal_of("a.tar", tar({{"main.go", kMain}}) + std::string(8192, '\0')), "");
}

TEST_F(TarArchive, CompressedOnceAndWhole) {
  const std::string plain = tar({{"main.go", kMain}});
  EXPECT_NE(refusal_of("a.tar.gz", gzip(gzip(plain))), "");
  EXPECT_NE(refusal_of("a.tar.gz", gzip(plain) + gzip(plain)), "");
  EXPECT_NE(refusal_of("a.tar.gz", gzip("package main\n")), "");
  std::string broken = gzip(plain);
  broken[broken.size() - 6] ^= 1;
  EXPECT_NE(refusal_of("a.tar.gz", broken), "") << "a wrong checksum";
}

class ModuleChoice : public ArchiveTest {
 protected:
  Result<Submission> zip(const std::vector<std::string>& names) {
    Zip zip;
    for (const std::string& name : names) zip.entries.push_back({name, name.ends_with(".go") ? kMain : "module m\n"});
    return take_archive("a.zip", zip.bytes());
  }
};

TEST_F(ModuleChoice, TheOnlyOutermostGoModIsTheRoot) {
  ASSERT_OK_AND_ASSIGN(Submission submission,
                       zip({"repo-1.0/go.mod", "repo-1.0/main.go", "repo-1.0/tools/go.mod", "README"}));
  EXPECT_THAT(paths(submission), ElementsAre("go.mod", "main.go", "tools/go.mod"));
  EXPECT_TRUE(submission.has_go_mod);
  EXPECT_THAT(submission.dropped, ElementsAre(HasSubstr("1 files outside repo-1.0")));
  EXPECT_EQ(content(submission, "main.go"), kMain);
}

TEST_F(ModuleChoice, SeveralModulesNeedRoot) {
  request_.root = "";
  auto several = zip({"a/go.mod", "a/main.go", "b/go.mod", "b/main.go"});
  ASSERT_FALSE(several);
  EXPECT_THAT(several.error().what, AllOf(HasSubstr("a, b"), HasSubstr("a.zip/a")));
  request_.root = "b";
  ASSERT_OK_AND_ASSIGN(Submission submission, zip({"a/go.mod", "a/main.go", "b/go.mod", "b/main.go"}));
  EXPECT_THAT(paths(submission), ElementsAre("go.mod", "main.go"));
  request_.root = "c";
  EXPECT_FALSE(zip({"a/go.mod", "a/main.go"}));
}

TEST_F(ModuleChoice, WithoutGoModTheOneTopDirectoryIsTheRoot) {
  ASSERT_OK_AND_ASSIGN(Submission one, zip({"gist/main.go", "gist/x.txt"}));
  EXPECT_THAT(paths(one), ElementsAre("main.go", "x.txt"));
  ASSERT_OK_AND_ASSIGN(Submission two, zip({"gist/main.go", "x.txt"}));
  EXPECT_THAT(paths(two), ElementsAre("gist/main.go", "x.txt"));
}

TEST_F(ModuleChoice, ADirectoryInsideCanBeNamedFromTheTopOrFromTheModule) {
  const auto inside = [&](const std::string& path) { return take({input("a.zip/" + path)}); };
  const std::vector<std::string> names = {"repo/go.mod", "repo/cmd/a/main.go", "repo/sub/go.mod", "repo/sub/main.go"};
  ASSERT_OK(zip(names));
  for (const char* path : {"repo/cmd/a", "cmd/a", "./cmd/a/"}) {
    ASSERT_OK_AND_ASSIGN(Submission submission, inside(path));
    EXPECT_EQ(submission.package, "./cmd/a") << path;
    EXPECT_TRUE(submission.has_go_mod);
  }
  ASSERT_OK_AND_ASSIGN(Submission nested, inside("repo/sub"));
  EXPECT_EQ(nested.package, ".");
  EXPECT_THAT(paths(nested), ElementsAre("go.mod", "main.go"));
  ASSERT_OK_AND_ASSIGN(Submission all, inside("..."));
  EXPECT_EQ(all.package, "./...");
  auto missing = inside("cmd/b");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().what, HasSubstr("no directory \"cmd/b\""));
  EXPECT_FALSE(inside("../a"));
  EXPECT_FALSE(zip({"a/go.mod", "a/main.go", "b/go.mod", "b/main.go"})) << "two modules and none named";
  ASSERT_OK_AND_ASSIGN(Submission second, inside("b"));
  EXPECT_THAT(paths(second), ElementsAre("go.mod", "main.go"));
}

}  // namespace
}  // namespace sandbox_run::ingest
