// profile-compiler OUT.cc NAME.profile…: compiles the built-in profiles when the project is built. A name that ends in
// "-base" is there to be included and gets no program of its own.
#include <cstdio>
#include <map>

#include "base/files.h"
#include "seccomp-profiles/filter.h"

namespace sandbox_run::seccomp_profiles {
namespace {

std::map<std::string, std::string, std::less<>>& texts() {
  static std::map<std::string, std::string, std::less<>> all;
  return all;
}

std::string name_of(const std::string& path) {
  const std::string file = path.substr(path.rfind('/') + 1);
  return file.substr(0, file.rfind(".profile"));
}

// One adjacent string literal a line: compilers need not take literals of more than 65,536 bytes, and diffs stay small.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n\"\n    \"";
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

Result<std::string> generate() {
  std::string programs;
  std::string table;
  std::size_t index = 0;
  for (const auto& [name, text] : texts()) {
    const std::string variable = "kProgram" + std::to_string(index++);
    TRY(const Profile profile, Profile::parse(text, name));
    const bool base = name.ends_with("-base");
    if (base) {
      table += "    {\"" + name + "\",\n    " + quoted(text) + ",\n    nullptr, 0},\n";
      continue;
    }
    TRY(const Filter filter, compile(profile));
    programs += "constexpr sock_filter " + variable + "[] = {\n";
    for (const sock_filter& op : filter.program) {
      programs += "    {" + std::to_string(op.code) + ", " + std::to_string(op.jt) + ", " + std::to_string(op.jf) +
                  ", " + std::to_string(op.k) + "u},\n";
    }
    programs += "};\n";
    table += "    {\"" + name + "\",\n    " + quoted(text) + ",\n    " + variable + ", " +
             std::to_string(filter.program.size()) + "},\n";
    std::printf("%s: %zu rules, %zu instructions\n", name.c_str(), profile.rules.size(), filter.program.size());
  }
  return "// Made by profile-compiler from seccomp-profiles/*.profile.\n"
         "#include \"seccomp-profiles/builtin.h\"\n\n"
         "namespace sandbox_run::seccomp_profiles {\nnamespace {\n" +
         programs + "}  // namespace\n\n" + "const Builtin kBuiltins[] = {\n" + table +
         "};\nconst std::size_t kBuiltinCount = " + std::to_string(texts().size()) +
         ";\n\n}  // namespace sandbox_run::seccomp_profiles\n";
}

Status run(int argc, char** argv) {
  if (argc < 3) return input_error("usage: profile-compiler OUT.cc NAME.profile…");
  for (int i = 2; i < argc; ++i) {
    TRY(std::string text, read_file(argv[i], Bytes{1 << 20}));
    texts()[name_of(argv[i])] = std::move(text);
  }
  TRY(const std::string source, generate());
  return replace_file(argv[1], source);
}

}  // namespace

// Here the built-in texts are the files on the command line.
std::optional<std::string> builtin_text(std::string_view name) {
  const auto found = texts().find(name);
  if (found == texts().end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> Profile::builtin_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : texts()) names.push_back(name);
  return names;
}

}  // namespace sandbox_run::seccomp_profiles

int main(int argc, char** argv) {
  if (const auto status = sandbox_run::seccomp_profiles::run(argc, argv); !status) {
    std::fprintf(stderr, "profile-compiler: %s\n", status.error().what.c_str());
    return 1;
  }
  return 0;
}
