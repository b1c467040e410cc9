// go_text: as much of Go's lexical grammar as telling one kind of file from another takes; no parser.
// Source: The Go Programming Language Specification, "Lexical elements"; go/build/constraint for build lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox_run::ingest {

// What the head of a Go file says.
struct GoHead {
  std::string package;                  // of the package clause; empty where the file does not start with one
  std::string go_build;                 // the expression of its //go:build line, or empty
  std::vector<std::string> plus_build;  // the arguments of its // +build lines; they count only without go_build
};

GoHead read_go_head(std::string_view text);

// True where `offset` lies inside a comment, a string or a rune literal of the Go text.
bool inside_literal(std::string_view text, std::size_t offset);

// Evaluates a //go:build expression for linux on this machine's architecture with CGO off, a Go release newer than
// any, and `tags`. A malformed expression is false: the toolchain would not build the file either.
bool go_build_matches(std::string_view expression, const std::vector<std::string>& tags);
bool plus_build_matches(const std::vector<std::string>& lines, const std::vector<std::string>& tags);

// The same for a file name's suffixes (_windows.go, _linux_arm64.go), leading '_' and '.', and _test.go.
bool file_name_matches(std::string_view name);

}  // namespace sandbox_run::ingest
