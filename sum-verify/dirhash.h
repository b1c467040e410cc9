// h1: the hash of go.sum. Base64 of SHA-256 over a manifest with one line "hex(SHA-256(content))  name\n" per file, in
// byte order of the names. Format: golang.org/x/mod/sumdb/dirhash.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"

namespace sandbox_run::sum_verify {

struct HashedFile {
  std::string name;  // as the manifest has it: "path@version/rel" in zips and trees, "go.mod" for a .mod file
  Sha256Digest sha256;
  bool operator==(const HashedFile&) const = default;
};

// The text that is hashed; it allows checking single files without the rest. Sorts a copy of `files`.
// Fails with: Fault::input where a name holds a line feed, which would let one name pass for two.
Result<std::string> h1_manifest(std::vector<HashedFile> files);

// "h1:…" of the manifest of `files`. Fails with: as h1_manifest.
Result<std::string> h1_of_files(std::vector<HashedFile> files);

// "h1:…" of a go.mod's text, as the "/go.mod" lines of go.sum have it.
std::string h1_of_go_mod(std::string_view text);

// "h1:" and the padded base64 of 32 bytes. Anything else in go.sum can never match.
bool is_well_formed_h1(std::string_view text);

// Hashes the regular files below `dir_fd` under names "prefix/rel". Opens nothing but directories and regular files: a
// symbolic link, FIFO or device is answered by name, because reading it could hang or leave the tree.
// Fails with: Fault::input naming the special file; Fault::host on I/O; EFBIG in sys_errno over `limit_bytes`.
Result<std::vector<HashedFile>> hash_tree(int dir_fd, const std::string& prefix, std::uint64_t limit_bytes);

// The first name, in byte order, whose hash differs or that only one side has; empty where there is none.
std::string first_difference(std::vector<HashedFile> a, std::vector<HashedFile> b);

}  // namespace sandbox_run::sum_verify
