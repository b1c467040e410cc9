// Reads the text of a profile: a line is a rule, an include or a comment; see README.md.
#include "seccomp-profiles/profile.h"

#include <algorithm>

#include "base/files.h"
#include "seccomp-profiles/condition_parser.h"
#include "seccomp-profiles/filter.h"
#include "seccomp-profiles/vocabulary.h"

namespace sandbox_run::seccomp_profiles {
namespace {

constexpr std::size_t kMaxText = 64 * 1024;
constexpr std::size_t kMaxRules = 1000;
constexpr int kMaxIncludeDepth = 4;
constexpr std::string_view kSuccess = "OK";  // where an errno stands

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the first word off `text`.
std::string take_word(std::string_view& text) {
  text = trim(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string word(text.substr(0, end));
  text = trim(text.substr(end));
  return word;
}

bool printable(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

constexpr char kFirstLine[] = "'# NAME: what this profile is for'";

class Reader {
 public:
  explicit Reader(Profile& profile) : profile_(profile) {}

  Status read(std::string_view text, const std::string& name, int depth) {
    if (text.size() > kMaxText) return input_error(name + ": a profile is at most 64 KiB of text");
    int number = 0;
    bool opened = false;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = trim(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      ++number;
      const std::string where = name + ":" + std::to_string(number) + ": ";
      if (!printable(line)) return input_error(where + "control character in the text");
      if (line.empty()) continue;
      if (!opened && line.front() != '#') {
        return input_error(where + "a profile begins with a line that says what it is for: write " + kFirstLine +
                           " above '" + std::string(line.substr(0, 40)) + (line.size() > 40 ? "…'" : "'"));
      }
      if (!opened && depth == 0) profile_.summary = summary_of(line);
      opened = true;
      if (line.front() == '#') continue;
      if (auto status = statement(line, name, number, depth); !status) {
        Error error = std::move(status).error();
        // An include has its own place in its message.
        if (!already_placed_) error.what = where + error.what;
        already_placed_ = true;
        return error;
      }
    }
    if (!opened)
      return input_error(name + ":1: the profile is empty: it begins with " + kFirstLine +
                         ", and the rules come below");
    return {};
  }

 private:
  static std::string summary_of(std::string_view line) {
    line = trim(line.substr(std::min(line.find_first_not_of('#'), line.size())));
    const std::size_t colon = line.find(": ");
    return std::string(colon == std::string_view::npos ? line : trim(line.substr(colon + 2)));
  }

  Status statement(std::string_view line, const std::string& name, int number, int depth) {
    const std::size_t hash = line.find('#');
    std::string_view body = trim(line.substr(0, std::min(hash, line.size())));
    Rule rule;
    rule.reason = hash == std::string_view::npos ? "" : std::string(trim(line.substr(hash + 1)));
    rule.line = number;
    rule.origin = name;
    const std::string verb = take_word(body);
    if (verb == "include") return include(std::string(body), depth);
    if (verb == "allow")
      rule.answer = Rule::Answer::allow;
    else if (verb == "quiet")
      rule.answer = Rule::Answer::quiet;
    else
      return input_error("'" + verb + "' is neither allow, quiet nor include");
    TRY_STATUS(fill(rule, body));
    if (rule.reason.empty()) return input_error("a rule needs its reason: '" + verb + " " + rule.syscall + " # why'");
    TRY_STATUS(fits(rule));
    if (profile_.rules.size() >= kMaxRules) return input_error("more than " + std::to_string(kMaxRules) + " rules");
    profile_.rules.push_back(std::move(rule));
    return {};
  }

  Status include(const std::string& name, int depth) {
    const std::optional<std::string> text = builtin_text(name);
    if (!text) return input_error("cannot include '" + name + "': no built-in profile has this name");
    if (depth >= kMaxIncludeDepth) return input_error("includes are nested too deeply at '" + name + "'");
    return read(*text, name, depth + 1);
  }

  static Status fill(Rule& rule, std::string_view body) {
    rule.syscall = take_word(body);
    if (rule.syscall.empty()) return input_error("expected the name of a system call");
    rule.number = syscall_number(rule.syscall);
    if (rule.number < 0) {
      return input_error("x86-64 has no system call '" + rule.syscall + "' that this build knows");
    }
    if (rule.answer == Rule::Answer::quiet) {
      const std::string error = take_word(body);
      const std::optional<int> value = error == kSuccess ? 0 : errno_value(error);
      if (!value)
        return input_error("expected the errno of a quiet refusal (EPERM, ENOSYS, …), or OK, not '" + error + "'");
      rule.error = *value;
    }
    rule.condition_text = std::string(body);
    if (body.empty()) return {};
    TRY(rule.alternatives, parse_conditions(rule.syscall, body));
    return {};
  }

  // No rule may repeat another or contradict it: what a profile says never hangs on the order of its lines.
  Status fits(const Rule& rule) const {
    const auto choices = [](const Rule& r) { return r.alternatives.empty() ? Alternatives{{}} : r.alternatives; };
    const Alternatives mine = choices(rule);
    for (std::size_t i = 0; i < mine.size(); ++i) {
      for (std::size_t j = i + 1; j < mine.size(); ++j) {
        if (implies(mine[i], mine[j]) || implies(mine[j], mine[i])) {
          return input_error("one alternative of " + rule.syscall + " repeats another of the same line");
        }
      }
    }
    for (const Rule& other : profile_.rules) {
      if (other.number != rule.number) continue;
      const bool same_answer = other.answer == rule.answer && other.error == rule.error;
      for (const auto& theirs : choices(other)) {
        for (const auto& alternative : mine) {
          if (disjoint(theirs, alternative)) continue;
          if (same_answer && !implies(theirs, alternative) && !implies(alternative, theirs)) continue;
          return input_error(rule.syscall + (same_answer ? " repeats " : " contradicts ") + other.origin + ":" +
                             std::to_string(other.line));
        }
      }
    }
    return {};
  }

  Profile& profile_;
  bool already_placed_ = false;
};

}  // namespace

Result<Profile> Profile::parse(std::string_view text, const std::string& name) {
  Profile profile;
  profile.name = name;
  profile.text = std::string(text);
  TRY_STATUS(Reader(profile).read(text, name, 0));
  for (const Rule& rule : profile.rules) {
    if (rule.answer == Rule::Answer::allow && (rule.syscall == "execve" || rule.syscall == "execveat")) {
      profile.exec_once = false;
    }
  }
  return profile;
}

Result<Profile> Profile::load(const std::string& name_or_path) {
  if (name_or_path.find('/') != std::string::npos) {
    TRY(const std::string text, read_file(name_or_path, Bytes{kMaxText}));
    return parse(text, name_or_path);
  }
  if (const std::optional<std::string> text = builtin_text(name_or_path)) return parse(*text, name_or_path);
  std::string known;
  for (const std::string& name : builtin_names()) known += (known.empty() ? "" : ", ") + name;
  return input_error("no profile '" + name_or_path + "'; the built-in ones are " + known +
                     "; a file's name needs a '/', as in ./my.profile");
}

Profile handing_over(Profile profile, const std::vector<int>& numbers) {
  std::erase_if(profile.rules, [&](const Rule& rule) {
    return rule.answer == Rule::Answer::allow &&
           std::find(numbers.begin(), numbers.end(), rule.number) != numbers.end();
  });
  return profile;
}

Profile syncing(Profile profile) {
  for (Rule& rule : profile.rules)
    if (rule.answer == Rule::Answer::quiet && rule.error == 0) rule.answer = Rule::Answer::allow;
  return profile;
}

}  // namespace sandbox_run::seccomp_profiles
