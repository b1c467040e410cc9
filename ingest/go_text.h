// go_text: as much of Go's lexical grammar as telling one kind of file from another takes; no parser.
// Source: The Go Programming Language Specification, "Lexical elements".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sandbox_run::ingest {

// The name in the package clause; empty where the text does not start with one, and so is no Go file.
std::string package_clause(std::string_view text);

// True where `offset` lies inside a comment, a string or a rune literal of the Go text.
bool inside_literal(std::string_view text, std::size_t offset);

}  // namespace sandbox_run::ingest
