// What this room's tests share: a state directory, an environment that is put back, and module proxies as directories.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "fetch/modules.h"
#include "sum-verify/module_cache.h"
#include "sum-verify/testing.h"

namespace sandbox_run::fetch {

class Environment {
 public:
  ~Environment() {
    for (const auto& [name, value] : before_)
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  void set(const std::string& name, const std::string& value) {
    const char* before = ::getenv(name.c_str());
    before_.emplace(name, before ? std::optional<std::string>(before) : std::nullopt);
    value.empty() ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

class ProxyTest : public ::testing::Test {
 protected:
  using Files = sum_verify::testing::Files;
  using ModuleVersion = sum_verify::ModuleVersion;

  void SetUp() override {
    dir_ = temporary_.path();
    state_ = dir_ + "/state";
    std::filesystem::create_directory(state_);
  }
  void TearDown() override { EXPECT_OK(remove_tree(AT_FDCWD, state_)); }  // read-only trees

  static void write(const std::string& path, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
  }

  // Adds a module to the proxy `name` (a directory of the test) and answers the h1 of its zip.
  std::string serve(const std::string& name, const ModuleVersion& module, const Files& files) {
    using sum_verify::CacheFile;
    const Files named = sum_verify::testing::module_files(module, files);
    auto file = [&](CacheFile kind) { return dir_ + "/" + name + "/" + sum_verify::proxy_path(module, kind).value(); };
    write(file(CacheFile::zip), sum_verify::testing::make_zip(named));
    write(file(CacheFile::mod), "module " + module.path + "\n");
    write(file(CacheFile::info), "{\"Version\":\"" + module.version + "\",\"Time\":\"2026-01-01T00:00:00Z\"}");
    return sum_verify::testing::h1_of(named);
  }

  std::string url(const std::string& name) const { return "file://" + dir_ + "/" + name; }

  std::unique_ptr<Modules> modules(const std::string& goproxy, const std::string& host_cache = "off") {
    Modules::Options options;
    options.state_directory = state_;
    options.may_fetch = !goproxy.empty();
    options.goproxy = goproxy;
    options.host_cache = host_cache;
    options.transport = transport_;
    return std::move(Modules::open(options, narrator_).value());
  }

  // Every file with a name in the state directory but the index, relative to it.
  std::vector<std::string> stored_files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(state_))
      if (entry.is_regular_file() && entry.path().string().find("/.index/") == std::string::npos)
        names.push_back(entry.path().string().substr(state_.size() + 1));
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryDirectory temporary_;
  std::string dir_, state_;
  SilentNarrator narrator_;
  Environment environment_;
  Transport* transport_ = nullptr;
};

}  // namespace sandbox_run::fetch
