#include "go-build/artifact_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/files.h"
#include "store/store.h"

namespace sandbox_run::go_build {
namespace {

constexpr Bytes kMaxProgram{4ull << 30};
constexpr Bytes kMaxNotes{1u << 20};

// Read-only view of a whole file that cannot shrink.
class Mapping {
 public:
  static Result<Mapping> of(int fd, std::size_t size, const std::string& name) {
    Mapping mapping;
    if (size == 0) return mapping;
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) return host_error(errno, "cannot map " + name);
    mapping.data_ = data;
    mapping.size_ = size;
    return mapping;
  }
  Mapping(Mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (data_) ::munmap(data_, size_);
  }
  std::string_view view() const { return {static_cast<const char*>(data_), data_ ? size_ : 0}; }

 private:
  Mapping() = default;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

std::string digests_of(const SealedProgram& program) {
  return fmt::format("{}\n{}\n", program.sha256.hex(), sha256(program.notes).hex());
}

Status write_entry(const std::string& directory, const SealedProgram& program) {
  TRY(Mapping content, Mapping::of(program.program.get(), program.size.count, "the sealed program"));
  TRY(UniqueFd binary, open_path(directory + "/program", O_WRONLY | O_CREAT | O_EXCL, 0444));
  TRY_STATUS(write_all(binary.get(), content.view(), directory + "/program"));
  TRY_STATUS(replace_file(directory + "/notes", program.notes, 0444));
  TRY(UniqueFd digest, open_path(directory + "/sha256", O_WRONLY | O_CREAT | O_EXCL, 0444));
  return write_all(digest.get(), digests_of(program), directory + "/sha256");
}

// What a power cut, tampering or a bad disk leaves: files that are missing, of another kind, too large or unreadable.
// Anything else (EMFILE, ENOMEM, EACCES) says something about this moment or this host, nothing about the entry.
bool is_damage(const Error& error) {
  switch (error.sys_errno) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EFBIG:
    case EIO:
      return true;
    default:
      return error.fault == Fault::self;  // not a regular file
  }
}

Result<SealedProgram> load_entry(const std::string& path) {
  TRY(std::string recorded, read_file(path + "/sha256", Bytes{256}));
  TRY(UniqueFd file, open_path(path + "/program", O_RDONLY | O_NOFOLLOW));
  TRY(SealedProgram sealed, seal_program(file.get(), kMaxProgram));
  TRY(sealed.notes, read_file(path + "/notes", kMaxNotes));
  if (recorded != digests_of(sealed)) return host_error(EIO, path + " is not what was put there");
  return sealed;
}

}  // namespace

Result<SealedProgram> seal_program(int file_fd, Bytes cap) {
  struct stat info {};
  if (::fstat(file_fd, &info) != 0) return host_error(errno, "cannot examine the program");
  if (!S_ISREG(info.st_mode)) return self_error("the program is not a regular file");
  auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > cap.count)
    return host_error(EFBIG,
                      fmt::format("the program has {}, more than {}", format_bytes(Bytes{size}), format_bytes(cap)));
  SealedProgram sealed;
  {
    TRY(Mapping file, Mapping::of(file_fd, size, "the program"));
    TRY(sealed.program, sealed_memfd("program", file.view(), true));
  }
  // The digest is of what will run, not of what was read: the two can differ only while the file is being changed.
  TRY(Mapping copy, Mapping::of(sealed.program.get(), size, "the sealed program"));
  sealed.sha256 = sha256(copy.view());
  sealed.size = Bytes{size};
  return sealed;
}

Result<std::optional<SealedProgram>> ArtifactCache::find(const Sha256Digest& key) const {
  std::string path = entry_path(key);
  auto held = store::hold(path);
  if (!held) {
    if (held.error().sys_errno == ENOENT) return std::optional<SealedProgram>();
    return std::move(held).error();
  }
  auto sealed = load_entry(path);
  if (sealed) {
    (void)::utimes(path.c_str(), nullptr);  // used now: what eviction goes by; a failure only makes it look older
    return std::optional<SealedProgram>(std::move(*sealed));
  }
  if (!is_damage(sealed.error())) return std::move(sealed).error();
  held->reset();
  // Not an error: it is built again.
  TRY_STATUS(remove_tree(AT_FDCWD, path));
  return std::optional<SealedProgram>();
}

Status ArtifactCache::keep(const Sha256Digest& key, const SealedProgram& program, Bytes cap) const {
  TRY_STATUS(make_directories(directory_));
  auto fill = [&](const std::string& temporary) { return write_entry(temporary, program); };
  // Unsynced: every use proves the entry whole.
  TRY_STATUS(store::fill_once(entry_path(key), fill, store::Durability::unsynced));
  return store::evict(directory_, cap);
}

}  // namespace sandbox_run::go_build
