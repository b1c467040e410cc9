// Small readers of text shared by the parsers of this room.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox_run::sum_verify {

// strings.Fields of Go: split at runs of Unicode white space. Views into `text`.
std::vector<std::string_view> fields(std::string_view text);

// strconv.Unquote of Go for "…" and `…` literals; nullopt where the literal is malformed.
std::optional<std::string> unquote(std::string_view literal);

// The text in double quotes with control characters escaped, as everywhere (base/text.h), so that a message stays one
// line.
std::string quote(std::string_view text);

// `path` with "." and ".." resolved and slashes collapsed, relative to the root; nullopt where it leaves the root.
// "" and "." both become ".".
std::optional<std::string> resolve_inside(std::string_view path);

std::string join_path(std::string_view directory, std::string_view name);  // "." and "" are the root

}  // namespace sandbox_run::sum_verify
