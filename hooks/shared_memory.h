// SharedMemory: an anonymous file and our mapping of it, made of pages that are ours.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace sandbox_run::hooks {

class SharedMemory {
 public:
  // Every page is populated here: a page of an anonymous file is charged to the control group that touches it first.
  // `seals` are F_SEAL_…, applied once it is mapped. Fails with: Fault::host.
  static Result<SharedMemory> create(const std::string& name, std::size_t size, int seals);
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;
  ~SharedMemory();

  int fd() const { return fd_.get(); }
  std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }

  // Words that the other side reads or writes at the same time. REQUIRES: offset is aligned and inside.
  std::uint64_t load64(std::size_t offset) const;
  std::uint32_t load32(std::size_t offset) const;
  void store64(std::size_t offset, std::uint64_t value);
  void store32(std::size_t offset, std::uint32_t value);

 private:
  SharedMemory(UniqueFd fd, std::uint8_t* data, std::size_t size) : fd_(std::move(fd)), data_(data), size_(size) {}

  UniqueFd fd_;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sandbox_run::hooks
