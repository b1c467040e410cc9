#include "hooks/arena.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "hooks/layout.h"
#include "hooks/regexp.h"

namespace sandbox_run::hooks {
namespace {

constexpr std::size_t kMaxInstructions = 4096;

class Builder {
 public:
  explicit Builder(const RuleSet& rules) : arena_(rules.rules.size() * sizeof(RuleRecord), '\0') {
    arena_.resize(std::max<std::size_t>(arena_.size(), sizeof(RuleRecord)), '\0');  // offset 0 means none
  }

  Status add(const Rule& rule) {
    RuleRecord record{};
    record.sample = rule.sample;
    record.per_second = rule.per_second;
    record.limit = rule.limit;
    record.capture = rule.capture;
    record.scrub = rule.scrub.builtin;
    if (rule.when) {
      program_.clear();
      depth_ = deepest_ = 0;
      TRY_STATUS(compile(*rule.when, rule));
      if (deepest_ > kConditionDepth || program_.size() > kMaxInstructions)
        return input_error(fmt::format("{}: the condition of rule {} is too long: {} steps of at most {}",
                                       text_of(rule.position), rule.name, program_.size(), kMaxInstructions));
      record.condition_count = static_cast<std::uint32_t>(program_.size());
      record.condition =
          append(std::string(reinterpret_cast<const char*>(program_.data()), program_.size() * sizeof(Instruction)));
    }
    if (!rule.scrub.patterns.empty()) {
      std::string list;
      put(list, static_cast<std::uint32_t>(rule.scrub.patterns.size()));
      for (const std::string& pattern : rule.scrub.patterns) {
        TRY(std::uint32_t offset, table(pattern));
        put(list, offset);
      }
      record.scrub_regexp = append(list);
    }
    for (const std::string& name : rule.scrub.arguments) record.scrub_inputs |= 1u << input(name, rule);
    std::memcpy(arena_.data() + rule.index * sizeof record, &record, sizeof record);
    if (arena_.size() > kArenaSize)
      return input_error(
          fmt::format("{}: with rule {} the rules' conditions need {} bytes, and {} is the most: fewer or "
                      "simpler conditions",
                      text_of(rule.position), rule.name, arena_.size(), kArenaSize));
    return {};
  }

  std::string take() { return std::move(arena_); }

 private:
  static void put(std::string& to, std::uint32_t value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  // REQUIRES: the name is among the rule's inputs, which were made from its condition and its scrubbing.
  static std::uint8_t input(const std::string& name, const Rule& rule) {
    auto found = std::find(rule.inputs.begin(), rule.inputs.end(), name);
    return static_cast<std::uint8_t>(found - rule.inputs.begin());
  }

  // Eight-byte alignment serves every kind of content. Equal contents are stored once.
  std::uint32_t append(const std::string& bytes) {
    auto [known, is_new] = offsets_.try_emplace(bytes, 0);
    if (is_new) {
      arena_.resize((arena_.size() + 7) & ~std::size_t{7}, '\0');
      known->second = static_cast<std::uint32_t>(arena_.size());
      arena_ += bytes;
    }
    return known->second;
  }

  Result<std::uint32_t> table(const std::string& pattern) {
    TRY(std::string dfa, compile_regexp(pattern));
    return append(dfa);
  }

  void emit(Operation operation, const std::string& argument, const Rule& rule, std::uint32_t a = 0,
            std::uint64_t b = 0) {
    program_.push_back({operation, argument.empty() ? std::uint8_t{0} : input(argument, rule), 0, a, b});
    const bool combines = operation == Operation::all || operation == Operation::any;
    if (combines) --depth_;
    if (!combines && operation != Operation::negate) deepest_ = std::max(deepest_, ++depth_);
  }

  static Operation order(Condition::Order order) {
    switch (order) {
      case Condition::Order::equal:
        return Operation::equal;
      case Condition::Order::less:
        return Operation::less;
      case Condition::Order::at_most:
        return Operation::at_most;
      case Condition::Order::greater:
        return Operation::greater;
      case Condition::Order::at_least:
        return Operation::at_least;
    }
    return Operation::equal;
  }

  static Operation match(Condition::Match match) {
    switch (match) {
      case Condition::Match::equal:
        return Operation::text_equal;
      case Condition::Match::prefix:
        return Operation::prefix;
      case Condition::Match::suffix:
        return Operation::suffix;
      case Condition::Match::contains:
        return Operation::contains;
    }
    return Operation::text_equal;
  }

  Status compile(const Condition& condition, const Rule& rule) {
    const std::string& argument = condition.argument;
    switch (condition.kind) {
      case Condition::Kind::all_of:
      case Condition::Kind::any_of: {
        const auto joint = condition.kind == Condition::Kind::all_of ? Operation::all : Operation::any;
        for (std::size_t i = 0; i < condition.parts.size(); ++i) {
          TRY_STATUS(compile(condition.parts[i], rule));
          if (i > 0) emit(joint, "", rule);
        }
        return {};
      }
      case Condition::Kind::negation:
        TRY_STATUS(compile(condition.parts[0], rule));
        emit(Operation::negate, "", rule);
        return {};
      case Condition::Kind::number:
        emit(order(condition.order), argument, rule,
             condition.length     ? 2
             : condition.floating ? 1
                                  : 0,
             condition.floating ? std::bit_cast<std::uint64_t>(condition.real)
                                : static_cast<std::uint64_t>(condition.integer));
        return {};
      case Condition::Kind::text:
        emit(match(condition.match), argument, rule, append(condition.values[0]), condition.values[0].size());
        return {};
      case Condition::Kind::set: {
        std::string pairs;
        for (const std::string& value : condition.values) {
          put(pairs, append(value));
          put(pairs, static_cast<std::uint32_t>(value.size()));
        }
        emit(Operation::set, argument, rule, append(pairs), condition.values.size());
        return {};
      }
      case Condition::Kind::regexp: {
        TRY(std::uint32_t offset, table(condition.values[0]));
        emit(Operation::regexp, argument, rule, offset);
        return {};
      }
      case Condition::Kind::nil:
        emit(condition.integer ? Operation::not_nil : Operation::nil, argument, rule);
        return {};
      case Condition::Kind::rate:
        emit(Operation::rate, "", rule, 0, static_cast<std::uint64_t>(condition.integer));
        return {};
    }
    return {};
  }

  std::string arena_;
  std::map<std::string, std::uint32_t> offsets_;
  std::vector<Instruction> program_;
  int depth_ = 0;
  int deepest_ = 0;
};

}  // namespace

Result<std::string> arena_of(const RuleSet& rules) {
  Builder builder(rules);
  for (const Rule& rule : rules.rules) TRY_STATUS(builder.add(rule));
  return builder.take();
}

}  // namespace sandbox_run::hooks
