#include "sum-verify/module_zip.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <unordered_map>

#include "base/files.h"
#include "base/thread.h"
#include "sum-verify/module_path.h"

namespace sandbox_run::sum_verify {
namespace {

constexpr std::size_t kMaxNameBytes = 4000;          // PATH_MAX, less some for the directory it goes into
constexpr std::uint64_t kWorthAThread = 4ull << 20;  // below it, starting a thread costs more than it saves

Error limit_error(std::string what) { return Error{Fault::input, EFBIG, std::move(what)}; }

Error total_too_large() {
  return limit_error("total uncompressed size of module contents too large (max size is " +
                     std::to_string(kMaxZipBytes) + " bytes)");
}

std::string prefix_of(const ModuleVersion& module) { return name_of(module) + "/"; }

// path.Clean(name) == name, for relative names.
bool is_clean(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.back() == '/') return false;
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t end = std::min(name.find('/', start), name.size());
    const std::string_view element = name.substr(start, end - start);
    if (element.empty() || element == "." || element == "..") return false;
    start = end + 1;
  }
  return true;
}

// Finds names that a case-folding file system would make one, and names that are a file here and a directory there.
class CollisionChecker {
 public:
  // The entry and the directories above it.
  Status add(std::string name, bool is_directory) {
    while (true) {
      const auto [position, fresh] = seen_.try_emplace(fold_case(name), Seen{name, is_directory});
      if (!fresh) return compare(position->second, name, is_directory);
      remembered_ += 2 * name.size() + sizeof(Seen);
      if (remembered_ > kMostNameBytes) return limit_error("the names of its directories take too much memory");
      const std::size_t slash = name.rfind('/');
      if (slash == std::string::npos) return {};
      name.resize(slash);
      is_directory = true;
    }
  }

 private:
  struct Seen {
    std::string name;
    bool is_directory;
  };
  static Status compare(const Seen& other, const std::string& name, bool is_directory) {
    if (other.name != name) {
      return input_error("case-insensitive file name collision: \"" + other.name + "\" and \"" + name + "\"");
    }
    if (other.is_directory != is_directory) return input_error("entry \"" + name + "\" is both a file and a directory");
    if (!is_directory) return input_error("multiple entries for file \"" + name + "\"");
    return {};  // a directory that was named before, or implied by what is in it
  }

  // A short archive can name many deep directories, each by all the names above it.
  static constexpr std::size_t kMostNameBytes = 256 << 20;
  std::size_t remembered_ = 0;
  std::unordered_map<std::string, Seen> seen_;
};

// The rules for one entry; `name` is the part after the prefix.
Status check_entry(const ZipEntry& entry, std::string name, CollisionChecker& collisions, std::uint64_t& total) {
  const bool is_directory = entry.is_directory();
  if (is_directory) name.pop_back();
  if (name.size() > kMaxNameBytes) return limit_error("a name of " + std::to_string(name.size()) + " bytes");
  if (!is_clean(name)) return input_error(entry.name + ": file path is not clean");
  if (const Status status = check_file_path(name); !status) return input_error(entry.name + ": " + status.error().what);
  if (Status status = collisions.add(name, is_directory); !status) {
    status.error().what = entry.name + ": " + status.error().what;
    return status;
  }
  if (is_directory) return {};
  const std::string base = name.substr(name.rfind('/') + 1);
  if (fold_case(base) == "go.mod") {
    if (base != name) return input_error(entry.name + ": go.mod file not in module root directory");
    if (name != "go.mod") return input_error(entry.name + ": go.mod files must have lowercase names");
  }
  if (entry.uncompressed_bytes > kMaxZipBytes - total) {
    return total_too_large();
  }
  total += entry.uncompressed_bytes;
  if ((name == "go.mod" || name == "LICENSE") && entry.uncompressed_bytes > kMaxGoModBytes) {
    return limit_error(entry.name + ": " + name + " file too large (max size is " + std::to_string(kMaxGoModBytes) +
                       " bytes)");
  }
  return {};
}

// Calls `use(index, content)` for every entry, on two threads where that pays; the first error in entry order wins.
template <class Use>
Status for_each_content(const ZipArchive& archive, const Use& use) {
  const std::vector<ZipEntry>& entries = archive.entries();
  std::atomic<std::size_t> next{0};
  std::vector<Status> results(entries.size());
  const auto work = [&] {
    std::string content;
    for (std::size_t i = next++; i < entries.size(); i = next++) {
      Status status = archive.read(entries[i], content);
      if (status) status = use(i, content);
      if (!status) {
        results[i] = std::move(status);
        next = entries.size();  // nobody takes further entries; those before this one are taken already
      }
    }
  };
  std::uint64_t total = 0;
  for (const ZipEntry& entry : entries) total += entry.uncompressed_bytes;
  Result<std::thread> second = std::thread();
  if (total >= kWorthAThread && std::thread::hardware_concurrency() > 1)
    second = start_thread("the second thread that unpacks a module", work);
  work();  // without a second thread it takes longer, and that is all
  if (second && second->joinable()) second->join();
  for (Status& status : results) TRY_STATUS(std::move(status));
  return {};
}

Status write_file(int dir_fd, const std::string& name, std::string_view content) {
  TRY(UniqueFd file, open_beneath(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, kResolveStrict, 0444));
  return write_all(file.get(), content, name);
}

// Creates the parents of every file, once each.
Status make_tree(int dir_fd, const std::vector<ZipEntry>& entries, std::size_t prefix) {
  std::set<std::string> directories;
  for (const ZipEntry& entry : entries) {
    if (entry.is_directory()) continue;
    const std::string name = entry.name.substr(prefix);
    for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
      directories.insert(name.substr(0, slash));
    }
  }
  // In byte order a parent comes before what is in it.
  for (const std::string& directory : directories) {
    if (::mkdirat(dir_fd, directory.c_str(), 0755) != 0) return host_error(errno, "make directory " + directory);
  }
  return {};
}

}  // namespace

Status check_module_zip(const ZipArchive& archive, const ModuleVersion& module) {
  TRY_STATUS(check_module_version(module));
  const std::string prefix = prefix_of(module);
  CollisionChecker collisions;
  std::uint64_t total = 0;
  for (const ZipEntry& entry : archive.entries()) {
    if (!entry.name.starts_with(prefix)) {
      return input_error(entry.name + ": path does not have prefix \"" + prefix + "\"");
    }
    if (entry.name.size() == prefix.size()) continue;  // the root as a directory entry
    TRY_STATUS(check_entry(entry, entry.name.substr(prefix.size()), collisions, total));
  }
  return {};
}

Result<ModuleZipContent> hash_zip_content(const ZipArchive& archive, const ModuleVersion& module) {
  ModuleZipContent result;
  for (const ZipEntry& entry : archive.entries()) {
    if (entry.uncompressed_bytes > kMaxZipBytes - result.bytes) return total_too_large();
    result.bytes += entry.uncompressed_bytes;
  }
  result.files.resize(archive.entries().size());
  const std::string go_mod = prefix_of(module) + "go.mod";
  const auto first = std::find_if(archive.entries().begin(), archive.entries().end(),
                                  [&](const ZipEntry& entry) { return entry.name == go_mod; });
  const auto go_mod_index = static_cast<std::size_t>(first - archive.entries().begin());
  TRY_STATUS(for_each_content(archive, [&](std::size_t i, const std::string& content) -> Status {
    result.files[i] = {archive.entries()[i].name, sha256(content)};
    if (i == go_mod_index) result.go_mod = content;
    return {};
  }));
  TRY(result.h1, h1_of_files(result.files));
  std::stable_sort(result.files.begin(), result.files.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  return result;
}

Result<ModuleZipContent> hash_module_zip(int zip_fd, const ModuleVersion& module) {
  TRY(const ZipArchive archive, ZipArchive::open(zip_fd, kMaxZipBytes, kMaxZipEntries));
  TRY_STATUS(check_module_zip(archive, module));
  return hash_zip_content(archive, module);
}

Status extract_module_zip(int zip_fd, const ModuleVersion& module, const std::string& h1, int dir_fd) {
  TRY(const ZipArchive archive, ZipArchive::open(zip_fd, kMaxZipBytes, kMaxZipEntries));
  TRY_STATUS(check_module_zip(archive, module));
  const std::size_t prefix = prefix_of(module).size();
  TRY_STATUS(make_tree(dir_fd, archive.entries(), prefix));
  std::vector<HashedFile> files(archive.entries().size());
  TRY_STATUS(for_each_content(archive, [&](std::size_t i, const std::string& content) -> Status {
    const ZipEntry& entry = archive.entries()[i];
    files[i] = {entry.name, sha256(content)};
    return entry.is_directory() ? Status{} : write_file(dir_fd, entry.name.substr(prefix), content);
  }));
  TRY(const std::string written, h1_of_files(std::move(files)));
  if (written != h1) {
    return input_error("unpacking " + module.path + "@" + module.version + ": the zip changed while it was read (" +
                       h1 + " was verified, " + written + " was unpacked); run again");
  }
  return {};
}

}  // namespace sandbox_run::sum_verify
