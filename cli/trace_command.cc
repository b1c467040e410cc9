// trace: rules of running programs are switched, and what rules come to is shown before anything runs.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "base/files.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "hooks/control_socket.h"
#include "hooks/rules.h"
#include "runner/traced_run.h"
#include "store/store.h"

namespace sandbox_run::cli {
namespace {

namespace fs = std::filesystem;

int print(const std::string& text) { return write_all(STDOUT_FILENO, text, "stdout") ? 0 : kOurFailure; }

int failed(const Error& error) { return usage_error("trace", error); }

struct Line {
  Options options;
  std::vector<std::string> operands;
};

struct OperandCount {
  std::size_t least = 0;
  std::size_t most = std::string::npos;
};

// An exit status where there is nothing to do.
std::optional<int> take(FlagSet& flags, const Words& words, OperandCount count, const std::string& example,
                        Line& line) {
  auto parsed = flags.parse(words);
  if (!parsed) return failed(parsed.error());
  if (parsed->help) return print(flags.help());
  line.operands = std::move(parsed->operands);
  if (line.operands.size() > count.most)
    return failed(input_error(fmt::format("'{}' is one word too many; for example: sandbox-run trace {}",
                                          line.operands[count.most], example)));
  if (line.operands.size() >= count.least) return std::nullopt;
  return failed(input_error("something is missing; for example: sandbox-run trace " + example));
}

// ── running programs ─────────────────────────────────────────────────────────────────────────────────────────────────

// Ids of traced runs: those that listen.
Result<std::vector<std::string>> traced_runs(const std::string& state_directory) {
  std::vector<std::string> ids;
  std::error_code error;
  for (fs::directory_iterator entry(state_directory + "/run", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string id = entry->path().filename();
    if (::access(runner::trace_socket(state_directory, id).c_str(), F_OK) == 0) ids.push_back(id);
  }
  if (error && error.value() != ENOENT) return host_error(error.value(), "cannot list the running programs");
  std::sort(ids.begin(), ids.end());
  return ids;
}

// The run that `word` is the id of, or the beginning of one id.
Result<std::string> socket_of(const std::string& word) {
  TRY(const std::string state, store::state_directory());
  TRY(const std::vector<std::string> ids, traced_runs(state));
  std::vector<std::string> matching;
  for (const std::string& id : ids)
    if (id.starts_with(word)) matching.push_back(id);
  if (matching.size() == 1) return runner::trace_socket(state, matching[0]);
  return input_error(fmt::format("{} '{}'; 'sandbox-run trace list' names those there are",
                                 matching.empty() ? "no traced run" : "more than one traced run begins with", word));
}

int ask_run(const std::string& run, const hooks::ControlRequest& request) {
  auto socket = socket_of(run);
  if (!socket) return failed(socket.error());
  auto answer = hooks::ask(*socket, request);
  if (!answer) return failed(answer.error());
  return print(*answer + "\n");
}

int switch_rule(const std::string& name, hooks::ControlRequest::Kind kind, const Words& words) {
  FlagSet flags(fmt::format("trace {} RUN RULE", name),
                fmt::format("Switches a rule {} in a running program. RUN: an id of 'trace list', or its beginning.",
                            kind == hooks::ControlRequest::Kind::attach ? "on" : "off"));
  Line line;
  if (auto status = take(flags, words, {2, 2}, name + " 3f2a open-files", line)) return *status;
  hooks::ControlRequest request;
  request.kind = kind;
  request.rule = line.operands[1];
  return ask_run(line.operands[0], request);
}

int attach(const Words& words) { return switch_rule("attach", hooks::ControlRequest::Kind::attach, words); }
int detach(const Words& words) { return switch_rule("detach", hooks::ControlRequest::Kind::detach, words); }

int reload(const Words& words) {
  FlagSet flags("trace reload RUN FILE",
                "Gives a running program's rules other conditions, limits and flags: those of FILE, whose join points "
                "must be the ones that were built in.");
  Line line;
  if (auto status = take(flags, words, {2, 2}, "reload 3f2a rules.yaml", line)) return *status;
  hooks::ControlRequest request;
  request.kind = hooks::ControlRequest::Kind::reload;
  request.name = line.operands[1];
  auto text = read_file(line.operands[1], Bytes{hooks::kMaxRulesText});
  if (!text) return failed(text.error());
  request.text = std::move(*text);
  return ask_run(line.operands[0], request);
}

int list(const Words& words) {
  FlagSet flags("trace list [RUN]", "Names the traced runs, or the rules of one and which of them are on.");
  Line line;
  if (auto status = take(flags, words, {0, 1}, "list", line)) return *status;
  if (!line.operands.empty()) return ask_run(line.operands[0], {});
  auto state = store::state_directory();
  if (!state) return failed(state.error());
  auto ids = traced_runs(*state);
  if (!ids) return failed(ids.error());
  std::string text;
  for (const std::string& id : *ids) text += id + "\n";
  return print(text);
}

// ── before anything runs ─────────────────────────────────────────────────────────────────────────────────────────────

void add_subject_flags(FlagSet& flags, Options& options) {
  add_source_flags(flags, options);
  add_toolchain_flags(flags, options);
  add_loudness_flags(flags, options);
}

std::string for_a_person(const std::string& text) {
  if (::isatty(STDOUT_FILENO) == 0) return text;
  std::string safe;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    safe += escape_line(std::string_view(text).substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return safe;
}

int print_answer(Options& options, const std::vector<std::string>& words) {
  auto session = Session::open(options);
  if (!session) return failed(session.error());
  auto answer = (*session)->pipeline().ask_rewriter(options.request, words);
  (*session)->narrator().clear();
  if (!answer) return failed(answer.error());
  return print(for_a_person(*answer));
}

int list_functions(const Words& words) {
  Line line;
  FlagSet flags("trace list-functions [flags] PATTERN [SOURCE…]",
                "Names the functions that a pattern means in a program, or without one in the standard library, where "
                "each is, and whether it can be hooked.");
  add_subject_flags(flags, line.options);
  if (auto status = take(flags, words, {1}, "list-functions 'os.(*File).*'", line)) return *status;
  line.options.request.sources.assign(line.operands.begin() + 1, line.operands.end());
  return print_answer(line.options, {"list-functions", line.operands[0]});
}

int show_source(const Words& words) {
  Line line;
  FlagSet flags("trace show-source [flags] RULES PACKAGE [SOURCE…]",
                "Prints the files of a package as they are compiled with the hooks of RULES.");
  add_subject_flags(flags, line.options);
  if (auto status = take(flags, words, {2}, "show-source rules.yaml os .", line)) return *status;
  auto rules = hooks::rules_named(line.operands[0]);
  if (!rules) return failed(rules.error());
  line.options.request.trace = std::move(*rules);
  line.options.request.sources.assign(line.operands.begin() + 2, line.operands.end());
  return print_answer(line.options, {"show-source", line.operands[1]});
}

std::string explanation(const hooks::RuleSet& rules, const hooks::HookPlan& plan) {
  std::string text;
  for (const hooks::Rule& rule : rules.rules) {
    text += fmt::format("{} ({}:{}){}\n", rule.name, rule.position.file, rule.position.line,
                        rule.active ? "" : ", off at first");
    for (const hooks::PlannedPackage& package : plan.packages)
      for (const hooks::PlannedSite& site : package.sites)
        if (site.rule == rule.index) text += fmt::format("  hooks {} at {}:{}\n", site.function, site.file, site.line);
    for (const hooks::RefusedSite& site : plan.refused)
      if (site.rule == rule.index) text += fmt::format("  cannot hook {}: {}\n", site.function, site.why);
    for (const hooks::RuleError& error : plan.errors)
      if (error.rule == rule.index) text += fmt::format("  nothing: {}\n", error.message);
    if (rule.explains) text += fmt::format("  explains {}\n", fmt::join(rule.explains->calls, ", "));
  }
  return text;
}

int explain(const Words& words) {
  Line line;
  FlagSet flags("trace explain [flags] RULES SOURCE…",
                "Says what each rule of RULES hooks in a program, what it cannot hook and why, and which system calls "
                "its hooks explain. RULES: a file, or shipped sets (std:files,std:net).");
  add_subject_flags(flags, line.options);
  if (auto status = take(flags, words, {2}, "explain std:files .", line)) return *status;
  auto rules = hooks::rules_named(line.operands[0]);
  if (!rules) return failed(rules.error());
  Options& options = line.options;
  options.request.trace = std::move(*rules);
  options.request.sources.assign(line.operands.begin() + 1, line.operands.end());
  auto session = Session::open(options);
  if (!session) return failed(session.error());
  auto plan = (*session)->pipeline().plan_hooks(options.request);
  (*session)->narrator().clear();
  if (!plan) return failed(plan.error());
  return print(for_a_person(explanation(*options.request.trace, *plan)));
}

int sets(const Words& words) {
  FlagSet flags("trace sets [SET]", "Names the shipped sets of rules, or prints one.");
  Line line;
  if (auto status = take(flags, words, {0, 1}, "sets", line)) return *status;
  if (line.operands.empty()) {
    std::string text;
    for (const std::string& name : hooks::set_names()) text += name + "\n";
    return print(text);
  }
  const auto text = hooks::set_text(line.operands[0]);
  if (!text)
    return failed(input_error(fmt::format("no set '{}'; 'sandbox-run trace sets' names them", line.operands[0])));
  return print(std::string(*text));
}

struct Subcommand {
  std::string_view name;
  int (*run)(const Words&);
  std::string_view summary;
};

constexpr Subcommand kSubcommands[] = {
    {"list", list, "name the traced runs, or the rules of one"},
    {"attach", attach, "switch a rule of a running program on"},
    {"detach", detach, "switch a rule of a running program off"},
    {"reload", reload, "give a running program's rules other conditions"},
    {"explain", explain, "say what rules hook in a program"},
    {"list-functions", list_functions, "name functions that can be hooked"},
    {"show-source", show_source, "print a package's source with its hooks"},
    {"sets", sets, "name or print the shipped sets of rules"},
};

std::string usage() {
  std::string text =
      "sandbox-run trace switches the hooks of programs that run with --trace, and shows what rules hook.\n\n"
      "usage: sandbox-run trace COMMAND …\n\n";
  for (const Subcommand& command : kSubcommands) text += fmt::format("  {:<14} {}\n", command.name, command.summary);
  return text + "\nA traced run: sandbox-run run --trace std:files examples/hello; see docs/tracing.md\n";
}

}  // namespace

int trace_command(const Words& words) {
  const std::string name = words.empty() ? "" : words[0];
  if (name == "--help" || name == "-h" || name == "help") return print(usage());
  for (const Subcommand& command : kSubcommands)
    if (command.name == name) return command.run(Words(words.begin() + 1, words.end()));
  return failed(input_error(name.empty() ? "no command given; see 'sandbox-run trace --help'"
                                         : fmt::format("no command '{}'; see 'sandbox-run trace --help'", name)));
}

}  // namespace sandbox_run::cli
