#include "fetch/modules.h"

#include <sys/stat.h>

#include <filesystem>

#include "base/testing.h"
#include "fetch/test_proxy.h"
#include "fetch/url_transport.h"
#include "store/store.h"
#include "sum-verify/dirhash.h"

namespace sandbox_run::fetch {
namespace {

namespace fs = std::filesystem;
using sum_verify::CacheFile;

class ModulesTest : public ProxyTest {
 protected:
  UniqueFd zip_of(Modules& source) {
    Result<std::optional<UniqueFd>> zip = source.zip(kModule);
    EXPECT_TRUE(zip && *zip);
    return zip && *zip ? UniqueFd((*zip)->release()) : UniqueFd();
  }
  const ModuleVersion kModule{"example.org/Mixed/case", "v1.2.3"};
  const Files kFiles{
      {"go.mod", "module example.org/Mixed/case\n"}, {"a.go", "package a\n"}, {"sub/b.go", "package b\n"}};
};

TEST_F(ModulesTest, WithoutFetchNothingIsHereAndTheHintSaysFetch) {
  serve("proxy", kModule, kFiles);
  auto offline = modules("");
  EXPECT_FALSE(offline->zip(kModule).value());
  EXPECT_FALSE(offline->go_mod(kModule).value());
  EXPECT_EQ(offline->how_to_get(kModule), "run again with --fetch");
  auto online = modules(url("proxy"));  // control
  EXPECT_TRUE(online->zip(kModule).value());
  EXPECT_TRUE(online->go_mod(kModule).value());
}

TEST_F(ModulesTest, NothingFetchedHasANameBeforeItIsExtracted) {
  const std::string h1 = serve("proxy", kModule, kFiles);
  auto source = modules(url("proxy"));
  UniqueFd zip = zip_of(*source);
  ASSERT_OK_AND_ASSIGN(std::optional<std::string> go_mod, source->go_mod(kModule));
  ASSERT_TRUE(go_mod);
  EXPECT_EQ(stored_files(), std::vector<std::string>{});
  ASSERT_OK(source->extract(kModule, zip.get(), h1));  // control
  EXPECT_FALSE(stored_files().empty());
}

TEST_F(ModulesTest, AnExtractedModuleIsReadOnlyAndServesLaterRunsOffline) {
  const std::string h1 = serve("proxy", kModule, kFiles);
  std::string tree, mod;
  {
    auto source = modules(url("proxy"));
    UniqueFd zip = zip_of(*source);
    ASSERT_OK_AND_ASSIGN(tree, source->extract(kModule, zip.get(), h1));
    ASSERT_OK_AND_ASSIGN(std::optional<std::string> text, source->go_mod(kModule));
    ASSERT_OK_AND_ASSIGN(mod, source->keep_go_mod(kModule, *text, sum_verify::h1_of_go_mod(*text)));
  }
  for (const auto& entry : fs::recursive_directory_iterator(state_ + "/modules")) {
    if (entry.path().string().find("/.index") != std::string::npos) continue;
    EXPECT_EQ(entry.status().permissions(), entry.is_directory() ? fs::perms(0555) : fs::perms(0444)) << entry.path();
  }
  auto offline = modules("");
  UniqueFd again = zip_of(*offline);
  EXPECT_EQ(offline->extract(kModule, again.get(), h1).value(), tree);
  EXPECT_EQ(read_file(tree + "/sub/b.go", Bytes{100}).value(), "package b\n");
  EXPECT_EQ(offline->go_mod(kModule).value(), "module example.org/Mixed/case\n");
  EXPECT_EQ(read_file(mod, Bytes{100}).value(), "module example.org/Mixed/case\n");
  ASSERT_OK_AND_ASSIGN(std::optional<std::string> manifest, offline->manifest(kModule, h1));
  EXPECT_EQ("h1:" + sha256(manifest.value_or("")).base64(), h1);
}

TEST_F(ModulesTest, TwoContentsOfOneVersionNeverMeet) {
  const std::string good = serve("good", kModule, kFiles);
  const std::string evil = serve("evil", kModule, {{"a.go", "package evil\n"}});
  std::string good_tree, evil_tree;
  {
    auto source = modules(url("evil"));
    UniqueFd zip = zip_of(*source);
    ASSERT_OK_AND_ASSIGN(evil_tree, source->extract(kModule, zip.get(), evil));
  }
  {
    auto source = modules(url("good"));
    source->expect("example.org/Mixed/case v1.2.3 " + good + "\n");
    UniqueFd zip = zip_of(*source);
    ASSERT_OK_AND_ASSIGN(good_tree, source->extract(kModule, zip.get(), good));
  }
  EXPECT_NE(good_tree, evil_tree);
  for (const auto& [h1, content] : {std::pair(good, "package a\n"), std::pair(evil, "package evil\n")}) {
    auto offline = modules("");
    write(dir_ + "/main/go.sum", "example.org/Mixed/case v1.2.3 " + h1 + "\n");
    offline->expect_go_sum_in(open_path(dir_ + "/main", O_PATH | O_DIRECTORY).value().get());
    UniqueFd zip = zip_of(*offline);
    ASSERT_OK_AND_ASSIGN(std::string tree, offline->extract(kModule, zip.get(), h1));
    EXPECT_EQ(read_file(tree + "/a.go", Bytes{100}).value(), content);
  }
}

TEST_F(ModulesTest, AZipThatIsNotWhatGoSumSaysCannotEnter) {
  serve("proxy", kModule, kFiles);
  const std::string wanted = serve("elsewhere", kModule, {{"a.go", "package other\n"}});
  auto source = modules(url("proxy"));
  UniqueFd zip = zip_of(*source);
  EXPECT_FALSE(source->extract(kModule, zip.get(), wanted));
  EXPECT_FALSE(source->keep_go_mod(kModule, "module x\n", sum_verify::h1_of_go_mod("module y\n")));
  EXPECT_EQ(stored_files(), std::vector<std::string>{});
}

TEST_F(ModulesTest, ATamperedStoredTreeIsUnpackedAgain) {
  const std::string h1 = serve("proxy", kModule, kFiles);
  auto source = modules(url("proxy"));
  UniqueFd zip = zip_of(*source);
  ASSERT_OK_AND_ASSIGN(std::string tree, source->extract(kModule, zip.get(), h1));
  source.reset();
  ASSERT_EQ(::chmod((tree + "/a.go").c_str(), 0644), 0);
  write(tree + "/a.go", "package evil\n");
  auto offline = modules("");
  UniqueFd again = zip_of(*offline);
  ASSERT_OK_AND_ASSIGN(std::string healed, offline->extract(kModule, again.get(), h1));
  EXPECT_EQ(read_file(healed + "/a.go", Bytes{100}).value(), "package a\n");
}

TEST_F(ModulesTest, ADamagedStoredGoModIsNotServedAndHeals) {
  const std::string text = "module example.org/Mixed/case\n", h1 = sum_verify::h1_of_go_mod(text);
  ASSERT_OK_AND_ASSIGN(std::string path, modules("")->keep_go_mod(kModule, text, h1));
  EXPECT_EQ(modules("")->go_mod(kModule).value(), text);  // control
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  write(path, "");
  EXPECT_EQ(modules("")->go_mod(kModule).value(), std::nullopt);
  ASSERT_OK(modules("")->keep_go_mod(kModule, text, h1));
  EXPECT_EQ(modules("")->go_mod(kModule).value(), text);
}

TEST_F(ModulesTest, TheHostsModuleCacheIsReadBeforeTheNetwork) {
  const std::string h1 = serve("gomodcache/cache/download", kModule, kFiles);
  auto source = modules("", dir_ + "/gomodcache");
  UniqueFd zip = zip_of(*source);
  EXPECT_OK(source->extract(kModule, zip.get(), h1));
  EXPECT_EQ(source->go_mod(kModule).value(), "module example.org/Mixed/case\n");
}

TEST_F(ModulesTest, FifosAndLinksInTheHostsCacheAreNotOpened) {
  serve("gomodcache/cache/download", kModule, kFiles);
  const std::string zip =
      dir_ + "/gomodcache/cache/download/" + sum_verify::proxy_path(kModule, CacheFile::zip).value();
  EXPECT_TRUE(modules("", dir_ + "/gomodcache")->zip(kModule).value());  // control
  fs::rename(zip, dir_ + "/moved");
  fs::create_symlink(dir_ + "/moved", zip);
  EXPECT_FALSE(modules("", dir_ + "/gomodcache")->zip(kModule).value());
  fs::remove(zip);
  ASSERT_EQ(::mkfifo(zip.c_str(), 0644), 0);
  EXPECT_FALSE(modules("", dir_ + "/gomodcache")->zip(kModule).value());
}

TEST_F(ModulesTest, AbsentOnOneProxyTheNextIsAsked) {
  serve("second", kModule, kFiles);
  EXPECT_TRUE(modules(url("first") + "," + url("second"))->zip(kModule).value());
  auto source = modules(url("first") + ",direct");
  EXPECT_FALSE(source->zip(kModule).value());
  EXPECT_NE(source->how_to_get(kModule).find("no module proxy of GOPROXY has example.org/Mixed/case@v1.2.3"),
            std::string::npos);
  EXPECT_NE(source->how_to_get(kModule).find("version control"), std::string::npos);
}

TEST_F(ModulesTest, AnOversizedGoModIsRefusedNotCut) {
  serve("proxy", kModule, kFiles);
  const std::string mod = dir_ + "/proxy/" + sum_verify::proxy_path(kModule, CacheFile::mod).value();
  fs::resize_file(mod, sum_verify::kMaxGoModBytes + 1);
  auto text = modules(url("proxy"))->go_mod(kModule);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().sys_errno, EFBIG);
  EXPECT_NE(text.error().what.find("example.org/Mixed/case@v1.2.3"), std::string::npos) << text.error().what;
  fs::resize_file(mod, sum_verify::kMaxGoModBytes);
  EXPECT_OK(modules(url("proxy"))->go_mod(kModule));  // control
}

TEST_F(ModulesTest, AnOversizedZipIsRefusedNotCut) {
  serve("proxy", kModule, kFiles);
  const std::string zip = dir_ + "/proxy/" + sum_verify::proxy_path(kModule, CacheFile::zip).value();
  auto transport = make_transport();
  auto try_with_limit = [&](std::uint64_t limit) {
    UniqueFd body = unnamed_file(state_).value();
    return transport->get({"file://" + zip, Bytes{limit}, std::chrono::seconds(1), "m"}, body.get(), narrator_);
  };
  EXPECT_EQ(try_with_limit(fs::file_size(zip) - 1).error().sys_errno, EFBIG);
  EXPECT_TRUE(try_with_limit(fs::file_size(zip)).value().found);  // control
}

TEST_F(ModulesTest, MalformedPathsReachNeitherDiskNorUrl) {
  auto source = modules(url("proxy"));
  for (const char* path : {"../../etc", "example.org/../x", "example.org//x", "/etc/passwd", "example.org/x\n"}) {
    EXPECT_FALSE(source->zip({path, "v1.0.0"})) << path;
    EXPECT_FALSE(source->go_mod({path, "v1.0.0"})) << path;
    EXPECT_FALSE(source->query(path, "@latest")) << path;
  }
  EXPECT_FALSE(source->zip({"example.org/x", "../../v1.0.0"}));
}

TEST_F(ModulesTest, FileUrlsAreDecodedAndOnlyAbsolute) {
  write(dir_ + "/with space", "x");
  auto transport = make_transport();
  UniqueFd body = unnamed_file(state_).value();
  auto get = [&](const std::string& from) {
    return transport->get({from, Bytes{10}, std::chrono::seconds(1), "m"}, body.get(), narrator_);
  };
  EXPECT_TRUE(get("file://" + dir_ + "/with%20space").value().found);
  EXPECT_FALSE(get("file://" + dir_ + "/absent").value().found);
  EXPECT_FALSE(get("file://relative/path"));
  EXPECT_FALSE(get("file://" + dir_ + "/bad%2"));
  EXPECT_FALSE(get("file://" + dir_)) << "a directory is no body";
  EXPECT_FALSE(get("http://127.0.0.1/"));
}

TEST(HexOfH1, DecodesWhatGoSumHolds) {
  EXPECT_EQ(hex_of_h1("h1:" + sha256("abc").base64()).value(), sha256("abc").hex());
  for (const char* bad :
       {"", "h1:", "h2:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF"})
    EXPECT_FALSE(hex_of_h1(bad)) << bad;
}

}  // namespace
}  // namespace sandbox_run::fetch
