// Paths with slashes, taken apart as text: no file is looked at and no ".." resolved.
#pragma once

#include <string>
#include <string_view>

namespace sandbox_run {

// The directory that a path's last element is in: "." for "a", "/" for "/a".
std::string parent_of(const std::string& path);

// What stands before the last slash, and after it: "" and "a" for "a".
std::string_view directory_part(std::string_view path);
std::string_view base_name(std::string_view path);

// "a" and "a/b" are at or below "a", and "ab" is not.
bool is_at_or_below(std::string_view path, std::string_view top);

}  // namespace sandbox_run
