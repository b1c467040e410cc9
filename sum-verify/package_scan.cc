#include "sum-verify/package_scan.h"

#include <algorithm>
#include <array>

#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

enum class FileKind { go, assembly, header, object, fortran, c_like, other };

FileKind kind_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return FileKind::other;
  const std::string_view extension = name.substr(dot);
  constexpr std::array<std::string_view, 4> kHeaders = {".h", ".hh", ".hpp", ".hxx"};
  constexpr std::array<std::string_view, 4> kFortran = {".f", ".F", ".for", ".f90"};
  constexpr std::array<std::string_view, 7> kC = {".c", ".cc", ".cpp", ".cxx", ".m", ".swig", ".swigcxx"};
  const auto in = [&](const auto& list) { return std::find(list.begin(), list.end(), extension) != list.end(); };
  if (extension == ".go") return FileKind::go;
  if (extension == ".s") return FileKind::assembly;  // .S and .sx are the C compiler's, and left out with it
  if (extension == ".syso") return FileKind::object;
  if (in(kHeaders)) return FileKind::header;
  if (in(kFortran)) return FileKind::fortran;
  return in(kC) ? FileKind::c_like : FileKind::other;
}

void add_go_file(PackageScan& scan, const std::string& name, const std::string& text, bool forced) {
  ScannedGoFile file{name, scan_go_source(text)};
  const bool documentation = file.source.package == "documentation";  // go/build leaves such files out
  if (documentation && !forced) return;
  auto& list = name.ends_with("_test.go") ? scan.test_files : file.source.imports_c() ? scan.cgo_files : scan.go_files;
  list.push_back(std::move(file));
}

}  // namespace

Result<PackageScan> scan_package(const SourceTree& tree, const std::string& directory, const BuildContext& context,
                                 const std::vector<std::string>& named) {
  PackageScan scan;
  for (const std::string& name : tree.list(directory)) {
    const FileKind kind = kind_of(name);
    if (kind == FileKind::go) scan.has_go_files = true;
    if (name.starts_with("_cgo_")) scan.cgo_named_files.push_back(name);
    const bool forced = std::find(named.begin(), named.end(), name) != named.end();
    if (!named.empty() && !forced) continue;
    if (!forced && (name[0] == '_' || name[0] == '.')) continue;
    if (kind == FileKind::other) continue;
    if (!forced && match_file_name(name, context) == Truth::no) continue;
    if (kind == FileKind::object) {
      scan.object_files.push_back(name);
      continue;
    }
    TRY(const std::string text, tree.read(join_path(directory, name)));
    if (kind == FileKind::header) {
      scan.header_files.push_back(name);  // #include asks for no constraint
      continue;
    }
    if (!forced && match_header(text, context) == Truth::no) continue;
    switch (kind) {
      case FileKind::go:
        add_go_file(scan, name, text, forced);
        break;
      case FileKind::assembly:
        scan.assembly_files.push_back(name);
        break;
      case FileKind::fortran:
        scan.fortran_files.push_back(name);
        break;
      case FileKind::c_like:
        scan.c_files.push_back(name);
        break;
      case FileKind::header:
      case FileKind::object:
      case FileKind::other:
        break;
    }
  }
  return scan;
}

}  // namespace sandbox_run::sum_verify
