// Text as bytes from strangers: strict UTF-8, what a person may be shown of it, and the few readers that every parser
// of lines needs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandbox_run {

// Decodes the code point at the front of `text` and drops it; nothing where the bytes are not shortest-form UTF-8 of a
// Unicode scalar value (RFC 3629), and then `text` stays. REQUIRES: text is not empty.
std::optional<char32_t> next_code_point(std::string_view& text);

void append_utf8(std::string& text, char32_t point);

// The length of the longest well-formed prefix.
std::size_t valid_utf8_prefix(std::string_view text);
bool is_valid_utf8(std::string_view text);
// Not empty, and the beginning of a character whose rest is missing: what a cut leaves at the end of a text.
bool is_cut_character(std::string_view text);

// The text with everything escaped that would not stand on the line as it is read: control characters but the tab, line
// and paragraph separators, the marks that change the direction of text ("Trojan Source", CVE-2021-42574), the byte
// order mark, and bytes that are not UTF-8. As \xNN below U+0080 and for bytes, else \uNNNN.
std::string escape_line(std::string_view line);

// Takes the line at the front of `text`, without its '\n', off it. REQUIRES: text not empty.
std::string_view take_line(std::string_view& text);

// `text` without the ASCII white space around it.
std::string_view trim(std::string_view text);

// Compares two decimal numbers without leading zeros, of any length: <0, 0 or >0.
int compare_numbers(std::string_view a, std::string_view b);

}  // namespace sandbox_run
