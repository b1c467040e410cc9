// Theory of operation. Everything a build reads of a module passes through here once, and is remembered by what it is:
// a go.mod by the module of the build list that asked for it (a replacement answers for another path), a zip by its own
// path and version. The order is the same for both and never changes:
//   name      a path or version that breaks the rules (SV305) goes no further: no cache and no URL is asked for it
//   line      go.sum must have an h1 line (SV201, SV202), or nothing is fetched at all: what nobody vouches for is of
//             no use
//   bytes     the source (store, module cache, proxy) hands them over; it is believed in nothing (SV203, SV204)
//   hash      computed here, compared with go.sum (SV101, SV102); a mismatch then says which file, as far as a manifest
//             of a good copy or go.sum's line for the go.mod can tell
//   meaning   only what the hash vouched for is used: the zip, whose rules were checked while it was read (SV304), the
//             go.mod, its declared path and language version (SV301, SV306, SV408), and both must agree (SV103)
// nullptr is an answer and always has a finding behind it, but for Need::optional: those are counted in one note
// (SV605). A directory replacement has no hash: it is part of the submission, whose snapshot is hashed as a whole.
// keep() puts into the store what was verified and nothing else.
#include "sum-verify/evidence.h"

#include <algorithm>

#include "base/text.h"
#include "sum-verify/module_path.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

constexpr char kSecurity[] =
    "SECURITY ERROR: this download does NOT match an earlier download recorded in go.sum. The bits may have been "
    "replaced "
    "on the origin server, or an attacker may have intercepted the download attempt. Do not build it";

std::string source_of(const MainModule& main, const GoSumLine& line) {
  return main.file("go.sum") + ":" + std::to_string(line.line);
}

bool has_h1(const std::vector<GoSumLine>& lines) {
  return std::any_of(lines.begin(), lines.end(), [](const GoSumLine& line) { return line.hash.starts_with("h1:"); });
}

// The name in the first line in which two manifests differ.
std::string first_differing_name(std::string_view a, std::string_view b) {
  constexpr std::size_t kNameColumn = 64 + 2;
  while (!a.empty() && !b.empty()) {
    const std::string_view x = take_line(a), y = take_line(b);
    if (x == y || x.size() < kNameColumn || y.size() < kNameColumn) continue;
    return std::string(std::min(x.substr(kNameColumn), y.substr(kNameColumn)));
  }
  std::string_view rest = a.empty() ? b : a;
  const std::string_view line = rest.empty() ? rest : take_line(rest);
  return line.size() < kNameColumn ? "" : std::string(line.substr(kNameColumn));
}

}  // namespace

Evidence::Evidence(const ingest::Submission& submission, const MainModule& main, ModuleSource& source,
                   Findings& findings, Narrator& narrator, std::string toolchain_go_version)
    : submission_(submission),
      main_(main),
      source_(source),
      findings_(findings),
      narrator_(narrator),
      toolchain_(std::move(toolchain_go_version)) {}

// go.sum's verdict on a hash. A key whose only lines are of unknown algorithms has none, as in Go's readonly mode; that
// is the caller's to report. Conflicting lines are reported where go.sum is read, so one match is enough here.
bool Evidence::matches_sum(const ModuleVersion& actual, const std::string& suffix, const std::string& h1,
                           FindingCode code) {
  const auto& lines = main_.sum().lines(actual.path, actual.version + suffix);
  const GoSumLine* wrong = nullptr;
  for (const GoSumLine& line : lines) {
    if (line.hash == h1) return true;
    if (wrong == nullptr && line.hash.starts_with("h1:")) wrong = &line;
  }
  if (wrong == nullptr) return false;
  Finding& finding = findings_.add(code, actual, "verifying " + name_of(actual) + suffix + ": checksum mismatch");
  finding.file = main_.file("go.sum");
  finding.line = wrong->line;
  finding.want = wrong->hash;
  finding.got = h1;
  finding.source = source_of(main_, *wrong);
  finding.hint =
      is_well_formed_h1(wrong->hash) ? kSecurity : "the hash in go.sum is not a base64 SHA-256 and can match nothing";
  return false;
}

Result<std::optional<std::string>> Evidence::fetch_go_mod(const ModuleVersion& actual, Need need) {
  Result<std::optional<std::string>> text = source_.go_mod(actual);
  if (text || need == Need::required) return text;
  return std::optional<std::string>();
}

Result<const KnownGoMod*> Evidence::go_mod(const ModuleVersion& module, Need need) {
  if (const auto found = go_mods_.find(module); found != go_mods_.end() && (found->second || need == Need::optional)) {
    return found->second ? &*found->second : nullptr;
  }
  const Provenance from = main_.provenance(module);
  if (from.directory) return read_directory_go_mod(module, *from.directory);
  return verify_go_mod(module, from.module, need);
}

Result<const KnownGoMod*> Evidence::read_directory_go_mod(const ModuleVersion& module, const std::string& directory) {
  const auto tree = submission_tree(submission_, directory);
  TRY(std::string text, tree->read("go.mod"));
  return accept(module, {module, directory}, {{}, std::move(text), ""});
}

Result<const KnownGoMod*> Evidence::verify_go_mod(const ModuleVersion& module, const ModuleVersion& actual, Need need) {
  go_mods_[module] = std::nullopt;
  // A path that breaks the rules was reported where it was read from go.mod; it must not reach a cache or a URL.
  if (const Status status = check_module_version(actual); !status) {
    findings_.add(FindingCode::SV305, actual, status.error().what);
    return nullptr;
  }
  const bool vouched = has_h1(main_.sum().lines(actual.path, actual.version + "/go.mod"));
  std::optional<std::string> text;
  if (vouched) {
    TRY(text, fetch_go_mod(actual, need));
  }
  if (!text && need == Need::optional) {
    absent_.insert(actual);
    return nullptr;
  }
  if (!vouched) {
    Finding& finding = findings_.add(
        FindingCode::SV201, actual,
        name_of(actual) + ": missing go.sum entry for go.mod file; to add it: go mod download " + actual.path);
    finding.file = main_.file("go.sum");
    finding.hint = "run go mod tidy where the module is developed, and submit its go.sum";
    return nullptr;
  }
  if (!text) {
    findings_.add(FindingCode::SV203, actual, name_of(actual) + ": its go.mod is not in the store or the module cache")
        .hint = source_.how_to_get(actual);
    return nullptr;
  }
  const std::string h1 = h1_of_go_mod(*text);
  ++files_;
  bytes_ += text->size();
  if (!matches_sum(actual, "/go.mod", h1, FindingCode::SV102)) return nullptr;
  kept_go_mods_[actual] = *text;
  return accept(module, {actual, std::nullopt}, {{}, *text, h1});
}

// Parses what the hash vouched for, and checks that it is about the module it was required as.
const KnownGoMod* Evidence::accept(const ModuleVersion& module, const Provenance& from, KnownGoMod known) {
  auto& slot = go_mods_[module];
  GoModParse parse = parse_go_mod(known.text, GoModRole::dependency);
  const std::string where = from.directory ? join_path(*from.directory, "go.mod") : name_of(from.module) + "/go.mod";
  if (!parse.problems.empty()) {
    Finding& finding = findings_.add(FindingCode::SV301, from.module, where + ": " + parse.problems.front().message);
    finding.file = from.directory ? where : "";
    finding.line = parse.problems.front().line;
    return nullptr;
  }
  known.mod = std::move(parse.mod);
  const std::string& declared = known.mod.module.text;
  if (declared != module.path && declared != from.module.path) {
    const std::string what = declared.empty() ? where + ": missing module line"
                                              : where + ": module declares its path as: " + declared +
                                                    " but was required as: " + module.path;
    findings_.add(FindingCode::SV306, from.module, what).hint = "require it by the path it declares";
    return nullptr;
  }
  if (const auto message = too_new(name_of(module), known.mod.go.text, toolchain_)) {
    findings_.add(FindingCode::SV408, module, *message).hint =
        "require an older version of it, or run with a newer toolchain (--go " + known.mod.go.text + ")";
  }
  slot = std::move(known);
  return &*slot;
}

Result<const SourceTree*> Evidence::tree(const ModuleVersion& module, const std::string& imported,
                                         const std::string& importer) {
  const Provenance from = main_.provenance(module);
  if (from.directory) {
    auto& tree = directory_trees_[*from.directory];
    if (!tree) tree = submission_tree(submission_, *from.directory);
    return tree.get();
  }
  const ModuleVersion& actual = from.module;
  if (const auto found = zips_.find(actual); found != zips_.end()) {
    return found->second ? found->second->tree.get() : nullptr;
  }
  if (const Status status = check_module_version(actual); !status) {
    findings_.add(FindingCode::SV305, actual, status.error().what);
    zips_[actual] = nullptr;
    return nullptr;
  }
  if (!has_h1(main_.sum().lines(actual.path, actual.version))) {
    Finding& finding = findings_.add(FindingCode::SV202, actual,
                                     "missing go.sum entry for module providing package " + imported +
                                         " (imported by " + importer + "); to add: go get " + importer);
    finding.file = main_.file("go.sum");
    finding.hint = "run go mod tidy where the module is developed, and submit its go.sum";
    zips_[actual] = nullptr;
    return nullptr;
  }
  TRY(const KnownZip* zip, zip_if_here(actual));
  if (zip == nullptr && !zips_.contains(actual)) {
    zips_[actual] = nullptr;
    findings_
        .add(
            FindingCode::SV204, actual,
            name_of(actual) + ": its zip is not in the store or the module cache (needed for package " + imported + ")")
        .hint = source_.how_to_get(actual);
  }
  return zip == nullptr ? nullptr : zip->tree.get();
}

Result<const KnownZip*> Evidence::zip_if_here(const ModuleVersion& actual) {
  if (const auto found = zips_.find(actual); found != zips_.end()) return found->second.get();
  if (!check_module_version(actual) || !has_h1(main_.sum().lines(actual.path, actual.version))) return nullptr;
  narrator_.note("verifying " + name_of(actual));
  TRY(std::optional<UniqueFd> fd, source_.zip(actual));
  if (!fd) return nullptr;
  return verify_zip(actual, std::move(*fd));
}

Result<const KnownZip*> Evidence::verify_zip(const ModuleVersion& actual, UniqueFd fd) {
  zips_[actual] = nullptr;
  Result<ZipArchive> archive = ZipArchive::open(fd.get(), kMaxZipBytes, kMaxZipEntries);
  if (!archive) return refuse_zip(actual, archive.error(), FindingCode::SV101);
  const Status rules = check_module_zip(*archive, actual);
  if (!rules) TRY_STATUS(refuse_zip(actual, rules.error(), FindingCode::SV304));
  Result<ModuleZipContent> content = hash_zip_content(*archive, actual);
  // Content that cannot even be read is not the content that go.sum vouches for.
  if (!content) return refuse_zip(actual, content.error(), FindingCode::SV101);
  files_ += content->files.size();
  bytes_ += content->bytes;
  if (!matches_sum(actual, "", content->h1, FindingCode::SV101)) {
    TRY_STATUS(name_differing_file(actual, *content));
    return nullptr;
  }
  if (!rules) return nullptr;
  auto zip = std::make_unique<KnownZip>();
  zip->fd = std::move(fd);
  zip->content = std::move(*content);
  zip->tree = zip_tree(std::move(*archive), name_of(actual) + "/");
  compare_go_mods(actual, *zip);
  return (zips_[actual] = std::move(zip)).get();
}

Result<const KnownZip*> Evidence::refuse_zip(const ModuleVersion& actual, const Error& error, FindingCode code) {
  if (error.fault != Fault::input) return error;
  const bool limit = error.sys_errno == EFBIG;
  Finding& finding =
      findings_.add(limit ? FindingCode::SV501 : code, actual, "verifying " + name_of(actual) + ": " + error.what);
  finding.hint =
      limit ? "Go refuses such modules too" : "the zip is damaged or was made to mislead; remove it and fetch it again";
  const auto& lines = main_.sum().lines(actual.path, actual.version);
  if (!limit && code == FindingCode::SV101 && !lines.empty()) {
    finding.want = lines.front().hash;
    finding.source = source_of(main_, lines.front());
  }
  return nullptr;
}

// Says which file it is, as far as anything that go.sum vouches for can tell: a manifest with the right hash, else the
// go.mod, which has a line of its own.
Status Evidence::name_differing_file(const ModuleVersion& actual, const ModuleZipContent& content) {
  for (const GoSumLine& line : main_.sum().lines(actual.path, actual.version)) {
    TRY(const auto manifest, source_.manifest(actual, line.hash));
    if (!manifest || "h1:" + sha256(*manifest).base64() != line.hash) continue;
    TRY(const std::string ours, h1_manifest(content.files));
    const std::string name = first_differing_name(*manifest, ours);
    Finding& finding = findings_.add(FindingCode::SV101, actual,
                                     "verifying " + name_of(actual) + ": the first file that differs is " + name);
    finding.file = name;
    finding.source = source_of(main_, line);
    return {};
  }
  if (const GoSumLine* line = contradicted_line(actual, content)) {
    Finding& finding = findings_.add(FindingCode::SV101, actual,
                                     "verifying " + name_of(actual) + ": its go.mod differs from what go.sum records");
    finding.file = name_of(actual) + "/go.mod";
    finding.want = line->hash;
    finding.got = h1_of_go_mod(*content.go_mod);
    finding.source = source_of(main_, *line);
  }
  return {};
}

// go.sum's line for the go.mod, where the zip's own go.mod has another hash.
const GoSumLine* Evidence::contradicted_line(const ModuleVersion& actual, const ModuleZipContent& content) const {
  const auto& lines = main_.sum().lines(actual.path, actual.version + "/go.mod");
  if (!content.go_mod || !has_h1(lines)) return nullptr;
  const std::string h1 = h1_of_go_mod(*content.go_mod);
  const auto same = [&](const GoSumLine& line) { return line.hash == h1; };
  return std::any_of(lines.begin(), lines.end(), same) ? nullptr : &lines.front();
}

// Go builds with the .mod file, readers look into the zip: they have to agree.
void Evidence::compare_go_mods(const ModuleVersion& actual, const KnownZip& zip) {
  const GoSumLine* line = contradicted_line(actual, zip.content);
  if (line == nullptr) return;
  Finding& finding =
      findings_.add(FindingCode::SV103, actual,
                    "verifying " + name_of(actual) + ": the go.mod inside the zip is not the one that go.sum records");
  finding.file = main_.file("go.sum");
  finding.line = line->line;
  finding.want = line->hash;
  finding.got = h1_of_go_mod(*zip.content.go_mod);
  finding.source = source_of(main_, *line);
  finding.hint = "Go would build with a go.mod that no reader of the module sees; report it to the module's authors";
}

void Evidence::note_absent() {
  if (absent_.empty()) return;
  findings_.add(FindingCode::SV605, std::to_string(absent_.size()) +
                                        " go.mod files of the module graph are not in go.sum or not here (the first: " +
                                        name_of(*absent_.begin()) + "); no import needs them");
}

std::vector<VerifiedModule> Evidence::verified() const {
  std::map<ModuleVersion, VerifiedModule> modules;
  for (const auto& [actual, text] : kept_go_mods_) modules[actual].go_mod_h1 = h1_of_go_mod(text);
  for (const auto& [actual, zip] : zips_) {
    if (zip) modules[actual].zip_h1 = zip->content.h1;
  }
  std::vector<VerifiedModule> result;
  for (auto& [actual, module] : modules) {
    module.module = actual;
    result.push_back(std::move(module));
  }
  return result;
}

Result<std::vector<VerifiedModule>> Evidence::keep() {
  std::vector<VerifiedModule> modules = verified();
  std::uint64_t done = 0;
  for (VerifiedModule& module : modules) {
    narrator_.progress("unpack modules", done++, modules.size());
    if (!module.go_mod_h1.empty()) {
      TRY(module.go_mod_path, source_.keep_go_mod(module.module, kept_go_mods_.at(module.module), module.go_mod_h1));
    }
    if (!module.zip_h1.empty()) {
      TRY(module.tree_path, source_.extract(module.module, zips_.at(module.module)->fd.get(), module.zip_h1));
    }
  }
  return modules;
}

}  // namespace sandbox_run::sum_verify
