// SHA-256 (FIPS 180-4) over OpenSSL's implementation.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sandbox_run {

struct Sha256Digest {
  std::array<std::uint8_t, 32> bytes{};
  bool operator==(const Sha256Digest&) const = default;
  std::string hex() const;     // 64 lowercase digits
  std::string base64() const;  // standard alphabet, padded: what follows "h1:" in go.sum
};

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::string_view data);
  Sha256Digest finish();  // afterwards the object hashes a new message

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256Digest sha256(std::string_view data);

}  // namespace sandbox_run
