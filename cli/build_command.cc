// build, verify and fetch: parts of the road.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/output_file.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "sum-verify/findings.h"

namespace sandbox_run::cli {
namespace {

nlohmann::ordered_json to_json(const sum_verify::Finding& finding) {
  return {{"code", finding.code},     {"severity", sum_verify::finding_class_name(finding.kind)},
          {"module", finding.module}, {"version", finding.version},
          {"file", finding.file},     {"line", finding.line},
          {"column", finding.column}, {"message", finding.message},
          {"want", finding.want},     {"got", finding.got},
          {"source", finding.source}, {"hint", finding.hint}};
}

std::string findings_text(const sum_verify::Verification& verification) {
  std::string text;
  for (const sum_verify::Finding& finding : verification.findings)
    text += to_json(finding).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return text;
}

std::string summary_of(const report::Report& report) {
  if (report.verify.modules == 0) return fmt::format("verified: no modules needed ({} files)", report.verify.files);
  return fmt::format("verified: {} modules, {} files, {}", report.verify.modules, report.verify.files,
                     format_bytes(report.verify.bytes));
}

// docs/verify.md: 1 internal or I/O, 2 usage; 3 to 8 are the findings' own.
int verify_exit_status(const runner::Pipeline::Verified& verified) {
  if (verified.report.verdict == report::Verdict::ok) return 0;
  if (verified.report.verdict == report::Verdict::verify_failed) return verified.verification.exit_code();
  if (verified.report.verdict == report::Verdict::rejected) return 5;
  return 1;
}

// -o FILE|DIR
Status check_binary(const std::string& output) {
  struct stat info {};
  const bool is_directory = ::stat(output.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  Status good = check_output(is_directory ? output + "/program" : output);
  if (!good) return Error{Fault::input, good.error().sys_errno, "-o: " + good.error().what};
  return {};
}

int verify_or_fetch(const std::string& command, Options& options) {
  if (Status good = check_report_file(options); !good) {
    usage_error(command, good.error());
    return 2;
  }
  auto session = Session::open(options);
  if (!session) {
    usage_error(command, session.error());
    return 1;
  }
  const bool json = options.json;
  options.json = false;  // the findings are this command's objects, one a line
  if (json) options.quiet = true;
  runner::Pipeline::Verified verified = (*session)->pipeline().verify(options.request);
  const bool presented = (*session)->present(verified.report, options);
  std::string text = json ? findings_text(verified.verification) : "";
  const bool ok = verified.report.verdict == report::Verdict::ok;
  if (!json && ok && !options.quiet) text = summary_of(verified.report) + "\n";
  if (json && verified.report.verdict != report::Verdict::ok &&
      verified.report.verdict != report::Verdict::verify_failed)
    say(verified.report.message);
  if (!write_all(STDOUT_FILENO, text, "stdout")) return 1;
  return presented ? verify_exit_status(verified) : 1;
}

}  // namespace

int build_command(const Words& words) {
  Options options;
  std::string output = ".";
  FlagSet flags("build [flags] SOURCE…",
                "Verifies and builds untrusted Go source inside the walls and writes the static binary.");
  flags.add({"o", "FILE|DIR", "where the binary goes (the package's name, here)", "",
             [&output](const std::string& text) -> Status {
               output = text;
               return {};
             }});
  add_source_flags(flags, options);
  add_toolchain_flags(flags, options);
  add_build_flags(flags, options);
  add_output_flags(flags, options);
  if (auto status = take_line("build", flags, words, options)) return *status;
  if (Status good = check_report_file(options); !good) return usage_error("build", good.error());
  if (Status good = check_binary(output); !good) return usage_error("build", good.error());
  auto session = Session::open(options);
  if (!session) return usage_error("build", session.error());
  report::Report report = (*session)->pipeline().build(options.request, output);
  if (!(*session)->present(report, options)) return kOurFailure;
  return report.verdict == report::Verdict::ok ? 0 : report.exit_status();
}

int verify_command(const Words& words) {
  Options options;
  FlagSet flags("verify [flags] SOURCE…",
                "Checks everything SOURCE would be built from against its go.sum. Exit status: 0 verified, 1 our own "
                "failure, 2 usage, "
                "3 mismatch, 4 evidence missing, 5 malformed, 6 refused by policy, 7 limit, 8 signature. --json: a "
                "finding a line.");
  add_source_flags(flags, options);
  add_toolchain_flags(flags, options);
  add_output_flags(flags, options, "print each finding as an object on stdout, one a line (docs/verify.md)");
  if (auto status = take_line("verify", flags, words, options, 2)) return *status;
  return verify_or_fetch("verify", options);
}

int fetch_command(const Words& words) {
  Options options;
  options.request.fetch = true;
  FlagSet flags("fetch [flags] SOURCE…",
                "Fetches the modules that SOURCE needs through GOPROXY, verifies them against its go.sum and "
                "puts them into the store, so that later runs need no network.");
  add_source_flags(flags, options);
  add_toolchain_flags(flags, options);
  add_output_flags(flags, options, "print each finding as an object on stdout, one a line (docs/verify.md)");
  if (auto status = take_line("fetch", flags, words, options, 2)) return *status;
  return verify_or_fetch("fetch", options);
}

}  // namespace sandbox_run::cli
