#include "launch/shared_exchange.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstring>

namespace sandbox_run::launch {
namespace {

constexpr std::size_t kLongestString = 128u << 10;  // the kernel's MAX_ARG_STRLEN, the NUL included

// Strings one after the other from `used` on, pointers to them (as init maps them) at `slots`.
Status write_strings(const std::vector<std::string>& strings, const char* what, std::uint32_t slots,
                     std::uint32_t slot_count, char* base, std::size_t& used) {
  if (strings.size() >= slot_count)
    return input_error(
        fmt::format("the program gets at most {} {}, these are {}", slot_count - 1, what, strings.size()));
  auto* pointers = reinterpret_cast<std::uint64_t*>(base + slots);
  for (std::size_t index = 0; index < strings.size(); ++index) {
    const std::string& text = strings[index];
    if (text.find('\0') != std::string::npos)
      return input_error(fmt::format("{} {} has a zero byte in it", what, index));
    if (text.size() >= kLongestString || used + text.size() + 1 > kStringsLimit)
      return input_error(fmt::format("{} {} is too long: one may have {} bytes, all together {}", what, index,
                                     kLongestString - 1, kStringsLimit));
    std::memcpy(base + kStringsAt + used, text.c_str(), text.size() + 1);
    pointers[index] = kExchangeAddress + kStringsAt + used;
    used += text.size() + 1;
  }
  pointers[strings.size()] = 0;
  return {};
}

}  // namespace

Result<SharedExchange> SharedExchange::make() {
  UniqueFd fd(::memfd_create("sandbox-exchange", MFD_CLOEXEC));
  if (!fd) return host_error(errno, "cannot create shared memory");
  if (::ftruncate(fd.get(), kExchangeSize) != 0) return host_error(errno, "cannot size shared memory");
  void* memory = ::mmap(nullptr, kExchangeSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return host_error(errno, "cannot map shared memory");
  return SharedExchange(std::move(fd), static_cast<Exchange*>(memory));
}

SharedExchange::SharedExchange(SharedExchange&& other) noexcept
    : fd_(std::move(other.fd_)), memory_(std::exchange(other.memory_, nullptr)) {}

SharedExchange::~SharedExchange() {
  if (memory_ != nullptr) ::munmap(memory_, kExchangeSize);
}

const Row* SharedExchange::rows() const {
  return reinterpret_cast<const Row*>(reinterpret_cast<const char*>(memory_) + memory_->rows);
}

Status SharedExchange::write_program(const std::vector<std::string>& argv,
                                     const std::vector<std::string>& environment) {
  char* base = reinterpret_cast<char*>(memory_);
  std::size_t used = 0;
  TRY_STATUS(write_strings(argv, "arguments", kArgumentsAt, kArgumentSlots, base, used));
  return write_strings(environment, "environment entries", kEnvironmentAt, kEnvironmentSlots, base, used);
}

}  // namespace sandbox_run::launch
