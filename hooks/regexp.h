// Regular expressions in RE2's syntax, compiled to a table that a matcher without a library walks in linear time.
//
// What is taken: literals, `.`, classes ([a-z], [^…], [[:alpha:]], \d \w \s and their negations, ASCII as in RE2), the
// anchors ^ $ \A \z \b \B, groups (capturing, named, (?:…), (?flags:…)), |, * + ? {n,m} up to 1000 and their non-greedy
// forms, \Q…\E, \x and octal escapes, the flags i, s and U. Text is UTF-8; an ill-formed byte is matched by nothing.
// What is refused with a reason: (?m), \p{…}, \C, backreferences, look-around, and (?i) on letters outside ASCII.
// Only whether a text matches is answered, so greediness and groups change nothing.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace sandbox_run::hooks {

// The table of layout.h for an unanchored search for `pattern`.
// Fails with: Fault::input on what is not taken, and where the table or the work to make it exceeds its bound.
Result<std::string> compile_regexp(std::string_view pattern);

// What the hook runtime does with the table. REQUIRES: `dfa` comes from compile_regexp.
bool dfa_matches(std::string_view dfa, std::string_view text);

}  // namespace sandbox_run::hooks
