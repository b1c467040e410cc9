// GoSource: what a Go file says before it means anything: its package, its imports and the comments that are orders to
// the compiler. No type checking, no parsing past the imports.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sandbox_run::sum_verify {

struct GoImport {
  std::string path;  // unquoted
  int line = 0;
};

struct GoDirective {
  std::string text;  // with its "//" or "/*", without the end of the line or comment
  int line = 0;
  int column = 0;  // in bytes, 1-based
};

struct GoSource {
  std::string package;
  std::vector<GoImport> imports;  // "C" included; the first 100,000
  std::vector<GoDirective> directives;  // "//go:cgo_…", "//go:linkname …", and "//line …" or "/*line …" with a name of
                                        // cgo's, wherever they stand; the first 100 of each kind
  std::size_t longest_line_bytes = 0;
  int longest_line = 0;
  bool imports_c() const;
};

// Never fails: what does not parse is left to the compiler, which refuses the file; what was read so far counts.
GoSource scan_go_source(std::string_view text);

struct AssemblyInclude {
  std::string file;  // as written, unquoted
  int line = 0;
};

// The #include lines of a Go assembly file or a header of one. Comments and line breaks between '#', "include" and the
// name are skipped, as the assembler's scanner skips them.
std::vector<AssemblyInclude> scan_assembly_includes(std::string_view text);

}  // namespace sandbox_run::sum_verify
