// YamlNode: a YAML document as a tree that remembers where each node stood. The only user of yaml-cpp.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "hooks/rules.h"

namespace sandbox_run::hooks {

struct YamlEntry;

struct YamlNode {
  enum class Kind { null, scalar, sequence, mapping };
  Kind kind = Kind::null;
  std::string text;    // scalar
  bool plain = false;  // scalar: written without quotes, so it may be a number
  int line = 0;
  int column = 0;
  std::vector<YamlNode> items;     // sequence
  std::vector<YamlEntry> entries;  // mapping: keys are scalars, each once

  const YamlNode* find(std::string_view key) const;  // nullptr: absent, or no mapping
};
struct YamlEntry {
  YamlNode key, value;
};
std::string_view kind_name(YamlNode::Kind kind);

// Exactly one document, without anchors, aliases and tags (aliases make a small text a huge tree).
// Fails with: Fault::input and "FILE:LINE:COLUMN: …".
Result<YamlNode> parse_yaml(std::string_view text, const std::string& file);

// "FILE:LINE:COLUMN: message"
Error error_at(const std::string& file, const YamlNode& node, const std::string& message);

}  // namespace sandbox_run::hooks
