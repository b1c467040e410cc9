#include "sum-verify/dirhash.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/directory.h"
#include "base/files.h"

namespace sandbox_run::sum_verify {
namespace {

constexpr int kMaxTreeDepth = 256;

bool by_name(const HashedFile& a, const HashedFile& b) { return a.name < b.name; }

// Walks one directory after the other; holds what the recursion shares.
class TreeHasher {
 public:
  TreeHasher(std::uint64_t limit_bytes, std::vector<HashedFile>& files) : left_(limit_bytes), files_(files) {}

  Status walk(int dir_fd, const std::string& prefix, int depth) {
    if (depth > kMaxTreeDepth)
      return input_error(prefix + ": deeper than " + std::to_string(kMaxTreeDepth) + " levels");
    return for_each_entry(dir_fd, prefix, [&](const dirent& entry) {
      return visit(dir_fd, entry.d_name, prefix + "/" + entry.d_name, depth);
    });
  }

 private:
  Status visit(int dir_fd, const std::string& name, const std::string& full, int depth) {
    struct stat info {};
    if (::fstatat(dir_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return host_error(errno, "stat " + full);
    if (S_ISDIR(info.st_mode)) {
      TRY(UniqueFd child, open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY, kResolveStrict));
      return walk(child.get(), full, depth + 1);
    }
    if (!S_ISREG(info.st_mode)) return input_error(full + ": not a regular file; it was not opened");
    // O_NONBLOCK: should the name have become a FIFO since fstatat, opening it must not hang.
    TRY(UniqueFd file, open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK, kResolveStrict));
    if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return input_error(full + ": not a regular file");
    return hash(file.get(), full);
  }

  Status hash(int fd, const std::string& full) {
    Sha256 hasher;
    buffer_.resize(256 << 10);
    while (true) {
      const ssize_t count = ::read(fd, buffer_.data(), buffer_.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return host_error(errno, "read " + full);
      if (count == 0) break;
      if (static_cast<std::uint64_t>(count) > left_) return input_error(EFBIG, full);
      left_ -= static_cast<std::uint64_t>(count);
      hasher.update({buffer_.data(), static_cast<std::size_t>(count)});
    }
    files_.push_back({full, hasher.finish()});
    return {};
  }

  std::uint64_t left_;
  std::vector<HashedFile>& files_;
  std::string buffer_;
};

}  // namespace

Result<std::string> h1_manifest(std::vector<HashedFile> files) {
  std::stable_sort(files.begin(), files.end(), by_name);
  std::string manifest;
  for (const HashedFile& file : files) {
    if (file.name.find('\n') != std::string::npos) {
      return input_error("dirhash: filenames with newlines are not supported: " +
                         file.name.substr(0, file.name.find('\n')));
    }
    manifest += file.sha256.hex() + "  " + file.name + "\n";
  }
  return manifest;
}

Result<std::string> h1_of_files(std::vector<HashedFile> files) {
  TRY(const std::string manifest, h1_manifest(std::move(files)));
  return "h1:" + sha256(manifest).base64();
}

std::string h1_of_go_mod(std::string_view text) { return "h1:" + sha256(sha256(text).hex() + "  go.mod\n").base64(); }

bool is_well_formed_h1(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() != 3 + 44 || !text.starts_with("h1:") || text.back() != '=') return false;
  const std::string_view digits = text.substr(3, 43);
  if (digits.find_first_not_of(kAlphabet) != std::string_view::npos) return false;
  // 32 bytes leave two bits of the last digit unused; they are zero.
  return kAlphabet.find(digits.back()) % 4 == 0;
}

Result<std::vector<HashedFile>> hash_tree(int dir_fd, const std::string& prefix, std::uint64_t limit_bytes) {
  std::vector<HashedFile> files;
  TRY_STATUS(TreeHasher(limit_bytes, files).walk(dir_fd, prefix, 0));
  std::sort(files.begin(), files.end(), by_name);
  return files;
}

std::string first_difference(std::vector<HashedFile> a, std::vector<HashedFile> b) {
  std::stable_sort(a.begin(), a.end(), by_name);
  std::stable_sort(b.begin(), b.end(), by_name);
  std::size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  if (i == a.size() && i == b.size()) return "";
  if (i == a.size()) return b[i].name;
  if (i == b.size()) return a[i].name;
  return std::min(a[i].name, b[i].name);
}

}  // namespace sandbox_run::sum_verify
