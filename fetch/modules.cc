#include "fetch/modules.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/files.h"
#include "base/path.h"
#include "base/sha256.h"
#include "fetch/url_transport.h"
#include "store/entries.h"
#include "store/store.h"
#include "sum-verify/dirhash.h"
#include "sum-verify/module_cache.h"
#include "sum-verify/module_path.h"
#include "sum-verify/module_zip.h"

namespace sandbox_run::fetch {

namespace {

using sum_verify::CacheFile;
using sum_verify::ModuleVersion;

constexpr Bytes kMaxZip{sum_verify::kMaxZipBytes};
constexpr Bytes kMaxGoMod{sum_verify::kMaxGoModBytes};
constexpr Bytes kMaxManifest{256u << 20};  // 64 digits and a name for each file
constexpr Bytes kMaxQuery{1u << 20};       // .info is some hundred bytes, @v/list some kilobytes

// GOMODCACHE as cmd/go finds it from the environment; empty where there is none.
std::string host_module_cache() {
  auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (std::string cache = variable("GOMODCACHE"); !cache.empty()) return cache;
  if (std::string gopath = variable("GOPATH"); !gopath.empty()) return gopath.substr(0, gopath.find(':')) + "/pkg/mod";
  const std::string home = variable("HOME");
  return home.empty() ? "" : home + "/go/pkg/mod";
}

// A file others may own: a regular one of bounded size, or nothing. What is in it is proven by its hash or refused.
std::optional<UniqueFd> open_foreign(const std::string& path, Bytes limit) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      static_cast<std::uint64_t>(info.st_size) > limit.count)
    return std::nullopt;
  return file;
}

Status copy_all(int from, int to, const std::string& name) {
  std::string buffer(1 << 20, '\0');
  for (off_t at = 0;;) {
    ssize_t got = ::pread(from, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return host_error(errno, "cannot read " + name);
    if (got == 0) return {};
    TRY_STATUS(write_all(to, std::string_view(buffer).substr(0, static_cast<std::size_t>(got)), name));
    at += got;
  }
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Hash first, then believe: the copy is what gets hashed, so what changed in between cannot get in.
Status fill_zip_entry(const std::string& temporary, const ModuleVersion& module, int zip_fd, const std::string& h1) {
  TRY(UniqueFd copy, open_path(temporary + "/zip", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY_STATUS(copy_all(zip_fd, copy.get(), "the zip of " + name_of(module)));
  if (::mkdir((temporary + "/tree").c_str(), 0755) != 0)
    return host_error(errno, "cannot create " + temporary + "/tree");
  TRY(UniqueFd tree, open_path(temporary + "/tree", O_RDONLY | O_DIRECTORY));
  TRY_STATUS(sum_verify::extract_module_zip(copy.get(), module, h1, tree.get()));
  TRY(sum_verify::ModuleZipContent content, sum_verify::hash_module_zip(copy.get(), module));
  TRY(std::string manifest, sum_verify::h1_manifest(std::move(content.files)));
  TRY_STATUS(replace_file(temporary + "/manifest", manifest));
  TRY_STATUS(replace_file(temporary + "/module", module.path + " " + module.version + "\n"));
  return store::make_read_only(temporary);
}

// Whether a stored tree still holds what its h1 says. The zip's directory entries are in the manifest, but not in a
// tree.
bool is_intact(const std::string& entry, const ModuleVersion& module, const std::string& h1) {
  Result<std::string> manifest = read_file(entry + "/manifest", kMaxManifest);
  Result<UniqueFd> tree = open_path(entry + "/tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!manifest || !tree || "h1:" + sha256(*manifest).base64() != h1) return false;
  auto files = sum_verify::hash_tree(tree->get(), name_of(module), sum_verify::kMaxZipBytes);
  if (!files) return false;
  Result<std::string> found = sum_verify::h1_manifest(std::move(*files));
  std::string expected;
  for (const std::string& line : lines_of(*manifest))
    if (!line.ends_with('/')) expected += line + "\n";
  return found && *found == expected;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : 63;  // is_well_formed_h1 left nothing but '/'
}

}  // namespace

Result<std::string> hex_of_h1(const std::string& h1) {
  if (!sum_verify::is_well_formed_h1(h1))
    return input_error("'" + h1 + "' is no h1 hash: \"h1:\" and 44 characters of base64, as in go.sum");
  std::string hex;
  unsigned bits = 0, have = 0;
  for (char c : h1.substr(3)) {
    if (c == '=') break;
    bits = (bits << 6) | static_cast<unsigned>(base64_value(c));
    have += 6;
    if (have >= 8) {
      have -= 8;
      hex += fmt::format("{:02x}", (bits >> have) & 0xff);
    }
  }
  return hex;
}

Result<UniqueFd> unnamed_file(const std::string& state_directory) {
  const std::string directory = state_directory + "/tmp";
  TRY_STATUS(make_directories(directory, 0700));
  int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return UniqueFd(fd);
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
    return host_error(errno, "cannot make a temporary file in " + directory);
  // A file system without O_TMPFILE: unlinked at once comes to the same but for a kill in between.
  std::string name = directory + "/body.XXXXXX";
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return host_error(errno, "cannot make a temporary file in " + directory);
  ::unlink(name.c_str());
  return UniqueFd(fd);
}

Modules::Modules(Options options, Narrator& narrator) : options_(std::move(options)), narrator_(narrator) {}

Result<std::unique_ptr<Modules>> Modules::open(Options options, Narrator& narrator) {
  if (options.host_cache.empty()) options.host_cache = host_module_cache();
  if (options.host_cache == "off") options.host_cache.clear();
  return std::unique_ptr<Modules>(new Modules(std::move(options), narrator));
}

Modules::~Modules() {
  // The cap is housekeeping: failing at it fails nobody's run.
  if (added_) (void)store::evict(options_.state_directory + "/modules", options_.store_cap);
}

void Modules::expect(std::string_view go_sum) {
  for (const std::string& line : lines_of(go_sum)) {
    const std::size_t first = line.find(' '), second = line.find(' ', first + 1);
    if (second == std::string::npos) continue;
    std::string h1 = line.substr(second + 1);
    while (h1.ends_with('\r') || h1.ends_with(' ')) h1.pop_back();
    if (Result<std::string> hex = hex_of_h1(h1)) expected_.emplace(line.substr(0, second), *hex);
  }
}

void Modules::expect_go_sum_in(int root_fd) {
  Result<UniqueFd> file = open_beneath(root_fd, "go.sum", O_RDONLY | O_NONBLOCK, kResolveStrict);
  if (!file) return;  // verifying says what is wrong with it
  if (Result<std::string> text = read_to_end(file->get(), kMaxGoMod, "go.sum")) expect(*text);
}

// The HEX to look under, best first: what go.sum wants, else what the index knows, newest first.
std::vector<std::string> Modules::stored(const ModuleVersion& module, const std::string& suffix) const {
  const bool is_mod = suffix == "mod";
  if (auto wanted = expected_.find(module.path + " " + module.version + (is_mod ? "/go.mod" : ""));
      wanted != expected_.end())
    return {wanted->second};
  Result<std::string> file = sum_verify::proxy_path(module, is_mod ? CacheFile::mod : CacheFile::zip);
  if (!file) return {};
  Result<std::string> text = read_file(options_.state_directory + "/modules/.index/" + *file, Bytes{1u << 20});
  if (!text) return {};
  std::vector<std::string> known = lines_of(*text);
  std::reverse(known.begin(), known.end());
  std::erase_if(known, [](const std::string& hex) {
    return hex.size() != 64 || hex.find_first_not_of("0123456789abcdef") != std::string::npos;
  });
  return known;
}

Status Modules::remember(const ModuleVersion& module, const std::string& suffix, const std::string& hex) const {
  TRY(std::string file, sum_verify::proxy_path(module, suffix == "mod" ? CacheFile::mod : CacheFile::zip));
  const std::string path = options_.state_directory + "/modules/.index/" + file;
  TRY_STATUS(make_directories(parent_of(path)));
  TRY(UniqueFd index, open_path(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0644));
  return write_all(index.get(), hex + "\n", path);
}

Result<std::string> Modules::entry(const ModuleVersion& module, const std::string& h1, const std::string& suffix,
                                   const Fill& fill, const std::function<bool(const std::string&)>& is_good) {
  TRY(std::string hex, hex_of_h1(h1));
  const std::string directory = options_.state_directory + "/modules", path = directory + "/" + hex;
  const auto durability = suffix == "zip" ? store::Durability::synced : store::Durability::unsynced;
  for (int attempt = 0; attempt < 2; ++attempt) {
    bool filled = false;
    auto fill_and_tell = [&](const std::string& temporary) {
      filled = true;
      return fill(temporary);
    };
    TRY(UniqueFd held, store::fill_and_hold(path, fill_and_tell, durability));
    if (filled) {
      added_ = true;
      TRY_STATUS(remember(module, suffix, hex));
    }
    if (filled || is_good(path)) {
      holds_.push_back(std::move(held));
      return path;
    }
    held.reset();
    narrator_.note("what is stored of " + name_of(module) + " was changed behind our back; storing it again");
    TRY(bool removed, store::remove_entry(directory, hex));
    if (!removed) break;
  }
  return host_error(
      "what is stored of " + name_of(module) + " in " + path +
      " is not what it was, and another run uses it; when that is done, run 'sandbox-run cache clear modules'");
}

Result<bool> Modules::download(const std::string& path, const std::string& what, Bytes limit, int output_fd,
                               const ModuleVersion& module) {
  if (proxies_.empty()) {
    if (options_.goproxy.empty()) {
      TRY(options_.goproxy, goproxy_of_host(options_.goroot));
    }
    TRY(proxies_, parse_goproxy(options_.goproxy));
  }
  if (options_.transport == nullptr) {
    own_transport_ = make_transport();
    options_.transport = own_transport_.get();
  }
  const auto timeout = std::chrono::seconds(limit > kMaxGoMod ? 900 : 120);
  auto ask = [&](const std::string& url) -> Result<ProxyAnswer> {
    TRY(Downloaded downloaded, options_.transport->get({url + "/" + path, limit, timeout, what}, output_fd, narrator_));
    return ProxyAnswer{downloaded.found, downloaded.reason};
  };
  narrator_.note("fetching " + what);
  TRY(ProxyAnswer answer, ask_proxies(proxies_, ask));
  if (!answer.found) not_found_[module] = answer.reason;
  return answer.found;
}

Result<std::optional<std::string>> Modules::go_mod(const ModuleVersion& module) {
  TRY(std::string file, sum_verify::proxy_path(module, CacheFile::mod));
  for (const std::string& hex : stored(module, "mod"))
    if (Result<std::string> text = read_file(options_.state_directory + "/modules/" + hex + "/mod", kMaxGoMod);
        text && hex_of_h1(sum_verify::h1_of_go_mod(*text)).value() == hex)  // it was not written through to the disk
      return std::optional<std::string>(std::move(*text));
  if (!options_.host_cache.empty())
    if (std::optional<UniqueFd> host = open_foreign(options_.host_cache + "/cache/download/" + file, kMaxGoMod)) {
      TRY(std::string text, read_to_end(host->get(), kMaxGoMod, file));
      return std::optional<std::string>(std::move(text));
    }
  if (!options_.may_fetch) return std::optional<std::string>();
  TRY(UniqueFd body, unnamed_file(options_.state_directory));
  TRY(bool found, download(file, name_of(module) + " (.mod)", kMaxGoMod, body.get(), module));
  if (!found) return std::optional<std::string>();
  if (::lseek(body.get(), 0, SEEK_SET) != 0) return host_error(errno, "cannot rewind a temporary file");
  TRY(std::string text, read_to_end(body.get(), kMaxGoMod, "the go.mod of " + name_of(module)));
  return std::optional<std::string>(std::move(text));
}

Result<std::optional<UniqueFd>> Modules::zip_on_this_machine(const ModuleVersion& module) {
  TRY(std::string file, sum_verify::proxy_path(module, CacheFile::zip));
  for (const std::string& hex : stored(module, "zip"))
    if (Result<UniqueFd> zip = open_path(options_.state_directory + "/modules/" + hex + "/zip", O_RDONLY | O_NOFOLLOW))
      return std::optional<UniqueFd>(std::move(*zip));
  if (!options_.host_cache.empty())
    if (std::optional<UniqueFd> host = open_foreign(options_.host_cache + "/cache/download/" + file, kMaxZip))
      return host;
  return std::optional<UniqueFd>();
}

Result<std::optional<UniqueFd>> Modules::zip(const ModuleVersion& module) {
  TRY(std::optional<UniqueFd> here, zip_on_this_machine(module));
  if (here || !options_.may_fetch) return here;
  TRY(std::string file, sum_verify::proxy_path(module, CacheFile::zip));
  TRY(UniqueFd body, unnamed_file(options_.state_directory));
  TRY(bool found, download(file, name_of(module), kMaxZip, body.get(), module));
  if (!found) return std::optional<UniqueFd>();
  return std::optional<UniqueFd>(std::move(body));
}

Result<std::string> Modules::extract(const ModuleVersion& module, int zip_fd, const std::string& h1) {
  auto fill = [&](const std::string& temporary) { return fill_zip_entry(temporary, module, zip_fd, h1); };
  TRY(std::string path,
      entry(module, h1, "zip", fill, [&](const std::string& stored) { return is_intact(stored, module, h1); }));
  return path + "/tree";
}

Result<std::optional<std::string>> Modules::manifest(const ModuleVersion&, const std::string& h1) {
  Result<std::string> hex = hex_of_h1(h1);
  if (!hex) return std::optional<std::string>();  // a malformed hash has no content
  Result<std::string> text = read_file(options_.state_directory + "/modules/" + *hex + "/manifest", kMaxManifest);
  if (!text) return std::optional<std::string>();
  return std::optional<std::string>(std::move(*text));
}

Result<std::string> Modules::keep_go_mod(const ModuleVersion& module, const std::string& text, const std::string& h1) {
  if (sum_verify::h1_of_go_mod(text) != h1)
    return self_error("the go.mod of " + name_of(module) + " does not hash to " + h1);
  auto fill = [&](const std::string& temporary) -> Status {
    TRY_STATUS(replace_file(temporary + "/mod", text));
    TRY_STATUS(replace_file(temporary + "/module", module.path + " " + module.version + "\n"));
    return store::make_read_only(temporary);
  };
  auto is_good = [&](const std::string& stored) {
    Result<std::string> found = read_file(stored + "/mod", kMaxGoMod);
    return found && *found == text;
  };
  TRY(std::string path, entry(module, h1, "mod", fill, is_good));
  return path + "/mod";
}

std::string Modules::how_to_get(const ModuleVersion& module) const {
  if (!options_.may_fetch) return "run again with --fetch";
  auto reason = not_found_.find(module);
  return "no module proxy of GOPROXY has " + name_of(module) +
         (reason == not_found_.end() || reason->second.empty() ? "" : ": " + reason->second);
}

Result<bool> Modules::is_on_proxy(const ModuleVersion& module) {
  TRY(std::string file, sum_verify::proxy_path(module, CacheFile::info));
  TRY(UniqueFd body, unnamed_file(options_.state_directory));
  return download(file, name_of(module) + " (.info)", kMaxQuery, body.get(), module);
}

Result<std::optional<std::string>> Modules::query(const std::string& module_path, const std::string& rest) {
  if (!options_.may_fetch) return std::optional<std::string>();
  // proxy_path checks and escapes the path; the version is one that every module path may have.
  TRY(std::string file, sum_verify::escape_path(module_path));
  TRY(UniqueFd body, unnamed_file(options_.state_directory));
  TRY(bool found, download(file + "/" + rest, module_path + "/" + rest, kMaxQuery, body.get(), {module_path, rest}));
  if (!found) return std::optional<std::string>();
  if (::lseek(body.get(), 0, SEEK_SET) != 0) return host_error(errno, "cannot rewind a temporary file");
  TRY(std::string text, read_to_end(body.get(), kMaxQuery, rest));
  return std::optional<std::string>(std::move(text));
}

}  // namespace sandbox_run::fetch
