#include "base/sha256.h"

// The low-level functions, deprecated but there in all of OpenSSL 3: EVP would link all of libcrypto into the static
// supervisor (9 MB instead of under 1, 23,000 relocations at every start) and set the library up at the first hash.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstdlib>

namespace sandbox_run {

struct Sha256::State {
  SHA256_CTX context{};
  State() { restart(); }
  void restart() {
    if (SHA256_Init(&context) != 1) std::abort();  // cannot fail by its documentation; no hash is no verification
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view data) {
  if (SHA256_Update(&state_->context, data.data(), data.size()) != 1) std::abort();
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  static_assert(sizeof digest.bytes == SHA256_DIGEST_LENGTH);
  if (SHA256_Final(digest.bytes.data(), &state_->context) != 1) std::abort();
  state_->restart();
  return digest;
}

std::string Sha256Digest::hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string Sha256Digest::base64() const {
  // 32 bytes encode to 44 characters; EVP_EncodeBlock adds a terminator.
  std::array<unsigned char, 45> text{};
  int length = EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
  return std::string(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(length));
}

Sha256Digest sha256(std::string_view data) {
  Sha256 hash;
  hash.update(data);
  return hash.finish();
}

}  // namespace sandbox_run
