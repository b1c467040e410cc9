#include "hooks/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <atomic>
#include <utility>

namespace sandbox_run::hooks {
namespace {

template <class Word>
std::atomic_ref<Word> word_at(std::uint8_t* data, std::size_t offset) {
  return std::atomic_ref<Word>(*reinterpret_cast<Word*>(data + offset));
}

}  // namespace

Result<SharedMemory> SharedMemory::create(const std::string& name, std::size_t size, int seals) {
  UniqueFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return host_error(errno, "cannot make the memory file for " + name);
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0)
    return host_error(errno, "cannot size the memory file for " + name);
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
  if (data == MAP_FAILED) return host_error(errno, "cannot map the memory file for " + name);
  SharedMemory memory(std::move(fd), static_cast<std::uint8_t*>(data), size);
  if (::fcntl(memory.fd(), F_ADD_SEALS, seals) != 0) {
    const bool unknown = errno == EINVAL;
    return host_error(
        errno, "cannot seal the memory file for " + name + (unknown ? " (tracing needs Linux 5.1 or later)" : ""));
  }
  return memory;
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : fd_(std::move(other.fd_)), data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

SharedMemory::~SharedMemory() {
  if (data_) ::munmap(data_, size_);
}

std::uint64_t SharedMemory::load64(std::size_t offset) const {
  return word_at<std::uint64_t>(data_, offset).load(std::memory_order_acquire);
}
std::uint32_t SharedMemory::load32(std::size_t offset) const {
  return word_at<std::uint32_t>(data_, offset).load(std::memory_order_acquire);
}
void SharedMemory::store64(std::size_t offset, std::uint64_t value) {
  word_at<std::uint64_t>(data_, offset).store(value, std::memory_order_seq_cst);
}
void SharedMemory::store32(std::size_t offset, std::uint32_t value) {
  word_at<std::uint32_t>(data_, offset).store(value, std::memory_order_seq_cst);
}

}  // namespace sandbox_run::hooks
