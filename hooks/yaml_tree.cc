#include "hooks/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>

namespace sandbox_run::hooks {
namespace {

constexpr std::size_t kMaxDepth = 48;
constexpr std::size_t kMaxNodes = 100'000;

class TreeBuilder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(begin(mark, "", anchor, YamlNode::Kind::null), mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "aliases are not used here"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = begin(mark, tag, anchor, YamlNode::Kind::scalar);
    node.text = value;
    node.plain = tag != "!";
    add(std::move(node), mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(begin(mark, tag, anchor, YamlNode::Kind::sequence), mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(begin(mark, tag, anchor, YamlNode::Kind::mapping), mark);
  }
  void OnMapEnd() override { close(); }

  YamlNode take() { return std::move(root_); }

 private:
  struct Level {
    YamlNode node;
    std::optional<YamlNode> key;  // of a mapping, while its value is awaited
  };

  [[noreturn]] static void refuse(const YAML::Mark& mark, const std::string& message) {
    throw YAML::ParserException(mark, message);
  }

  YamlNode begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    if (anchor != YAML::NullAnchor) refuse(mark, "anchors are not used here");
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "tags are not used here: remove '" + tag + "'");
    if (++nodes_ > kMaxNodes) refuse(mark, fmt::format("more than {} values", kMaxNodes));
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void open(YamlNode node, const YAML::Mark& mark) {
    if (levels_.size() == kMaxDepth) refuse(mark, fmt::format("nested deeper than {} levels", kMaxDepth));
    levels_.push_back({std::move(node), std::nullopt});
  }

  void close() {
    YamlNode node = std::move(levels_.back().node);
    levels_.pop_back();
    YAML::Mark mark;
    mark.line = node.line - 1;
    mark.column = node.column - 1;
    add(std::move(node), mark);
  }

  void add(YamlNode node, const YAML::Mark& mark) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == YamlNode::Kind::sequence) {
      level.node.items.push_back(std::move(node));
    } else if (level.key) {
      level.node.entries.push_back({std::move(*level.key), std::move(node)});
      level.key.reset();
    } else {
      if (node.kind != YamlNode::Kind::scalar) refuse(mark, "a key has to be a word");
      if (const YamlNode* twin = level.node.find(node.text))
        refuse(mark, fmt::format("'{}' stands here twice: line {} has it too", node.text, twin->line));
      level.key = std::move(node);
    }
  }

  std::vector<Level> levels_;
  YamlNode root_;
  std::size_t nodes_ = 0;
};

Error located(const std::string& file, const YAML::Mark& mark, const std::string& message) {
  return input_error(
      fmt::format("{}:{}:{}: {}", file, std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1, message));
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (name.text == key) return &value;
  return nullptr;
}

std::string_view kind_name(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::scalar:
      return "a single value";
    case YamlNode::Kind::sequence:
      return "a list";
    case YamlNode::Kind::mapping:
      return "a mapping";
  }
  return "";
}

Error error_at(const std::string& file, const YamlNode& node, const std::string& message) {
  return input_error(fmt::format("{}:{}:{}: {}", file, node.line, node.column, message));
}

Result<YamlNode> parse_yaml(std::string_view text, const std::string& file) {
  if (auto nul = text.find('\0'); nul != std::string_view::npos)
    return input_error(
        fmt::format("{}:{}:1: a NUL byte: this is no text file", file,
                    std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n') + 1));
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder)) return input_error(file + ":1:1: the file is empty: write 'version: 1'");
    YamlNode root = builder.take();
    TreeBuilder second;
    if (parser.HandleNextDocument(second)) {
      YamlNode more = second.take();
      return error_at(file, more, "a second document starts here: a rules file has one");
    }
    return root;
  } catch (const YAML::Exception& exception) {  // yaml-cpp has no other way to report an error
    return located(file, exception.mark, exception.msg);
  }
}

}  // namespace sandbox_run::hooks
