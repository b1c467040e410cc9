// Go's classes of runes, where the rules of modules rest on them. Source: the unicode package, by table.
#pragma once

#include <cstdint>
#include <string_view>

namespace sandbox_run::sum_verify {

bool is_letter(char32_t rune);     // unicode.IsLetter
bool is_printable(char32_t rune);  // unicode.IsPrint
bool is_space(char32_t rune);      // unicode.IsSpace

// Takes one rune off the front of `text`. Invalid UTF-8 gives U+FFFD and takes one byte, as in Go. REQUIRES: text not
// empty.
char32_t next_rune(std::string_view& text);

// The smallest rune of the simple folding orbit, with ASCII letters in lowercase.
char32_t fold_rune(char32_t rune);

}  // namespace sandbox_run::sum_verify
