// What this room's tests share: zips made to order, submissions from text, and a module source in memory.
#pragma once

#include <fcntl.h>
#include <libdeflate.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/testing.h"
#include "sum-verify/dirhash.h"
#include "sum-verify/module_zip.h"
#include "sum-verify/verify.h"

namespace sandbox_run::sum_verify::testing {

using Files = std::vector<std::pair<std::string, std::string>>;  // name, content; order and duplicates kept

struct ZipOptions {
  bool deflate = true;
  bool descriptors = false;  // CRC and sizes behind the data, as Go's own writer has them
  std::string prefix;        // bytes before the archive
  std::string comment;       // of the archive
};

inline void put(std::string& out, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

inline std::string deflate(const std::string& content) {
  libdeflate_compressor* compressor = ::libdeflate_alloc_compressor(6);
  std::string packed(::libdeflate_deflate_compress_bound(compressor, content.size()), '\0');
  packed.resize(
      ::libdeflate_deflate_compress(compressor, content.data(), content.size(), packed.data(), packed.size()));
  ::libdeflate_free_compressor(compressor);
  return packed;
}

// Writes a zip by the book (APPNOTE.TXT), so that tests can bend single fields of it.
inline std::string make_zip(const Files& files, const ZipOptions& options = {}) {
  std::string out = options.prefix, directory;
  for (const auto& [name, content] : files) {
    const bool is_directory = name.ends_with('/');
    const bool packs = options.deflate && !is_directory;
    const std::string packed = packs ? deflate(content) : content;
    const std::uint32_t crc = ::libdeflate_crc32(0, content.data(), content.size());
    const std::size_t offset = out.size() - options.prefix.size();
    std::string common;
    put(common, 20, 2);
    put(common, options.descriptors ? 8 : 0, 2);
    put(common, packs ? 8 : 0, 2);
    put(common, 0, 4);
    std::string sizes;
    put(sizes, crc, 4);
    put(sizes, packed.size(), 4);
    put(sizes, content.size(), 4);
    put(out, 0x04034b50, 4);
    out += common + (options.descriptors ? std::string(12, '\0') : sizes);
    put(out, name.size(), 2);
    put(out, 0, 2);
    out += name + packed;
    if (options.descriptors) {
      put(out, 0x08074b50, 4);
      out += sizes;
    }
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    directory += common + sizes;
    put(directory, name.size(), 2);
    directory += std::string(12, '\0');
    put(directory, offset, 4);
    directory += name;
  }
  const std::size_t start = out.size() - options.prefix.size();
  out += directory;
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, files.size(), 2);
  put(out, files.size(), 2);
  put(out, directory.size(), 4);
  put(out, start, 4);
  put(out, options.comment.size(), 2);
  return out + options.comment;
}

inline UniqueFd memory_file(const std::string& content) {
  auto fd = sealed_memfd("test", content, false);
  EXPECT_OK(fd);
  return std::move(*fd);
}

// The files of a module with the prefix that its zip gives them.
inline Files module_files(const ModuleVersion& module, const Files& files) {
  Files named;
  for (const auto& [name, content] : files)
    named.emplace_back(module.path + "@" + module.version + "/" + name, content);
  return named;
}

inline std::string h1_of(const Files& files) {
  std::vector<HashedFile> hashed;
  for (const auto& [name, content] : files) hashed.push_back({name, sha256(content)});
  return h1_of_files(std::move(hashed)).value();
}

// A snapshot on disk, as ingest makes them.
class TestSubmission {
 public:
  explicit TestSubmission(const std::map<std::string, std::string>& files, const std::string& package = ".") {
    submission_.snapshot_path = directory_.path();
    for (const auto& [path, content] : files) {
      const std::filesystem::path full = std::filesystem::path(directory_.path()) / path;
      std::filesystem::create_directories(full.parent_path());
      std::ofstream(full) << content;
      submission_.files.push_back({path, Bytes{content.size()}, sha256(content)});
      if (path == "go.mod") submission_.has_go_mod = true;
    }
    submission_.package = package;
    submission_.root = UniqueFd(::open(directory_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  ingest::Submission& operator*() { return submission_; }
  ingest::Submission* operator->() { return &submission_; }

 private:
  TemporaryDirectory directory_;
  ingest::Submission submission_;
};

// Modules from memory; counts what was asked for.
class MemoryModules final : public ModuleSource {
 public:
  // Adds a module with these files; its .mod is the go.mod among them, or a module line alone.
  void add(const ModuleVersion& module, const Files& files) {
    std::string go_mod = "module " + module.path + "\n";
    for (const auto& [name, content] : files) {
      if (name == "go.mod") go_mod = content;
    }
    go_mods[module] = go_mod;
    zips[module] = make_zip(module_files(module, files));
    sum_lines += module.path + " " + module.version + " " + h1_of(module_files(module, files)) + "\n";
    sum_lines += module.path + " " + module.version + "/go.mod " + h1_of_go_mod(go_mod) + "\n";
    manifests[h1_of(module_files(module, files))] = manifest_of(module_files(module, files));
  }

  Result<std::optional<std::string>> go_mod(const ModuleVersion& module) override {
    const auto found = go_mods.find(module);
    return found == go_mods.end() ? std::optional<std::string>() : std::optional(found->second);
  }
  Result<std::optional<UniqueFd>> zip(const ModuleVersion& module) override {
    asked_zips.push_back(module);
    const auto found = zips.find(module);
    if (found == zips.end()) return std::optional<UniqueFd>();
    return std::optional<UniqueFd>(memory_file(found->second));
  }
  Result<std::string> extract(const ModuleVersion& module, int zip_fd, const std::string& h1) override {
    const std::string path = store_.path() + "/" + std::to_string(extracted.size());
    ::mkdir(path.c_str(), 0755);
    TRY(const UniqueFd directory, open_path(path, O_RDONLY | O_DIRECTORY));
    TRY_STATUS(extract_module_zip(zip_fd, module, h1, directory.get()));
    extracted.push_back(module);
    return path;
  }
  Result<std::optional<std::string>> manifest(const ModuleVersion&, const std::string& h1) override {
    const auto found = manifests.find(h1);
    return !knows_manifests || found == manifests.end() ? std::optional<std::string>() : std::optional(found->second);
  }
  Result<std::string> keep_go_mod(const ModuleVersion&, const std::string& text, const std::string&) override {
    const std::string path = store_.path() + "/" + std::to_string(kept++) + ".mod";
    std::ofstream(path) << text;
    return path;
  }

  std::map<ModuleVersion, std::string> go_mods, zips;
  std::map<std::string, std::string> manifests;
  std::string sum_lines;  // what a right go.sum would hold for all of them
  std::vector<ModuleVersion> asked_zips, extracted;
  bool knows_manifests = false;
  int kept = 0;

 private:
  static std::string manifest_of(const Files& files) {
    std::vector<HashedFile> hashed;
    for (const auto& [name, content] : files) hashed.push_back({name, sha256(content)});
    return h1_manifest(std::move(hashed)).value();
  }
  TemporaryDirectory store_;
};

inline Verification verify_or_die(const ingest::Submission& submission, ModuleSource& modules,
                                  const Options& options = {}) {
  SilentNarrator narrator;
  auto result = verify(submission, options, modules, narrator);
  EXPECT_OK(result);
  return result ? std::move(*result) : Verification{};
}

// "SV101 go.sum:3 …" for failure messages.
inline std::string describe(const Verification& verification) {
  std::string text;
  for (const Finding& f : verification.findings) {
    text += f.code + " " + f.module + "@" + f.version + " " + f.file + ":" + std::to_string(f.line) + " " + f.message +
            (f.want.empty() ? "" : " want " + f.want) + (f.got.empty() ? "" : " got " + f.got) + "\n";
  }
  return text;
}

inline const Finding* find_code(const Verification& verification, const std::string& code) {
  for (const Finding& finding : verification.findings) {
    if (finding.code == code) return &finding;
  }
  return nullptr;
}

}  // namespace sandbox_run::sum_verify::testing
