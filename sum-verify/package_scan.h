// PackageScan: the files of one directory as a linux/amd64 build with CGO off takes them.
// Source: go/build Context.Import, cmd/go/internal/load.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sum-verify/build_constraint.h"
#include "sum-verify/go_source.h"
#include "sum-verify/source_tree.h"

namespace sandbox_run::sum_verify {

struct ScannedGoFile {
  std::string name;  // in its directory
  GoSource source;
};

struct PackageScan {
  std::vector<ScannedGoFile> go_files;       // selected, without tests
  std::vector<ScannedGoFile> test_files;     // selected _test.go files
  std::vector<ScannedGoFile> cgo_files;      // would be selected, but import "C"
  std::vector<std::string> assembly_files;   // selected .s
  std::vector<std::string> header_files;     // .h and its like: assembly may include them
  std::vector<std::string> object_files;     // selected .syso
  std::vector<std::string> fortran_files;    // selected .f, .F, .for, .f90
  std::vector<std::string> c_files;          // selected C, C++, Objective-C and SWIG sources, which CGO off leaves out
  std::vector<std::string> cgo_named_files;  // any _cgo_*
  bool has_go_files = false;                 // any .go at all
};

// `named`: files given on a command line; then they alone count, and whatever their constraints say. Empty: all by
// their constraints. Fails with: what reading fails with.
Result<PackageScan> scan_package(const SourceTree& tree, const std::string& directory, const BuildContext& context,
                                 const std::vector<std::string>& named);

}  // namespace sandbox_run::sum_verify
