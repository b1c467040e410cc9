#include "hooks/line_table.h"

#include <algorithm>
#include <cstring>

namespace sandbox_run::hooks {
namespace {

constexpr std::uint32_t kMagic = 0xfffffff1;                       // Go 1.20 and later
constexpr std::uint64_t kHeaderWords = 8;                          // after 8 bytes of magic and sizes
constexpr std::size_t kInlineIndexTable = 2, kInlineTreeData = 3;  // abi.PCDATA_InlTreeIndex, abi.FUNCDATA_InlTree
constexpr std::size_t kMaxInlined = 32;
constexpr std::size_t kMaxTableBytes = 1 << 16;  // of one function's table: a hostile one could be the whole program
constexpr std::size_t kFunctionEntrySize = 8;    // of the index: entry and record, 32 bits each

// Offsets in _func.
constexpr std::size_t kNameAt = 4, kFileTableAt = 20, kLineTableAt = 24, kTableCountAt = 28, kUnitAt = 32,
                      kDataCountAt = 43, kTablesAt = 44;
// inlinedCall.
constexpr std::size_t kInlinedSize = 16, kInlinedNameAt = 4, kInlinedParentAt = 8;

template <class T>
std::optional<T> read(std::string_view bytes, std::uint64_t offset) {
  T value;
  if (offset > bytes.size() || bytes.size() - offset < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string text_at(std::string_view bytes, std::uint64_t offset) {
  if (offset >= bytes.size()) return {};
  const std::string_view text = bytes.substr(offset, ProgramImage::kMaxName);
  return std::string(text.substr(0, text.find('\0')));
}

// A little-endian base-128 number at the front; nothing, and the end, where it is not one.
std::optional<std::uint32_t> take_number(std::string_view& bytes) {
  std::uint32_t number = 0;
  for (unsigned shift = 0; shift < 32 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    number |= std::uint32_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

}  // namespace

std::optional<LineTable> LineTable::of(const ProgramImage& image) {
  LineTable table;
  table.image_ = &image;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < image.symbols(); ++i) {
    const auto symbol = image.symbol(i);
    if (!symbol) continue;
    // The linker's own have no size; what a program calls so has one.
    if (symbol->name == "runtime.pclntab" && symbol->size == 0) at = symbol->address;
    if (symbol->name == "runtime.text" && symbol->size == 0) table.text_ = symbol->address;
    if (symbol->name == "go:func.*") table.function_data_ = symbol->address;
  }
  const auto bytes = image.loaded_from(at);
  if (!bytes || read<std::uint32_t>(*bytes, 0) != kMagic || table.text_ == 0) return std::nullopt;
  // Bytes 6 and 7: the least size of an instruction and the size of a pointer on amd64.
  if (read<std::uint16_t>(*bytes, 6) != 0x0801) return std::nullopt;
  const std::string_view header = bytes->substr(8);
  if (header.size() < kHeaderWords * 8) return std::nullopt;
  auto word = [&](std::size_t i) { return *read<std::uint64_t>(header, i * 8); };
  table.functions_count_ = word(0);
  std::string_view* const parts[] = {&table.names_, &table.units_, &table.files_, &table.counters_, &table.functions_};
  for (std::size_t i = 0; i < std::size(parts); ++i) {
    const std::uint64_t offset = word(3 + i);
    if (offset > bytes->size()) return std::nullopt;
    *parts[i] = bytes->substr(offset);
  }
  if (table.functions_count_ > table.functions_.size() / kFunctionEntrySize) return std::nullopt;
  return table;
}

std::optional<LineTable::Function> LineTable::function_at(std::uint64_t address) const {
  if (address < text_ || address - text_ > UINT32_MAX) return std::nullopt;
  const auto wanted = static_cast<std::uint32_t>(address - text_);
  auto entry = [&](std::uint64_t i) { return read<std::uint32_t>(functions_, i * kFunctionEntrySize).value_or(0); };
  std::uint64_t low = 0, high = functions_count_;  // the last function that begins at or before it is in [low, high)
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (entry(middle) <= wanted ? low : high) = middle;
  }
  // Behind the last function stands where it ends.
  if (functions_count_ == 0 || entry(low) > wanted || entry(low + 1) <= wanted) return std::nullopt;
  const auto record = read<std::uint32_t>(functions_, low * kFunctionEntrySize + 4);
  if (!record || *record > functions_.size() || functions_.size() - *record < kTablesAt) return std::nullopt;
  return Function{functions_.substr(*record), text_ + entry(low)};
}

std::optional<std::int32_t> LineTable::value_at(std::uint32_t offset, std::uint64_t entry,
                                                std::uint64_t address) const {
  if (offset == 0 || offset >= counters_.size()) return std::nullopt;
  std::string_view table = counters_.substr(offset, kMaxTableBytes);
  std::uint64_t counter = entry;
  std::uint32_t value = UINT32_MAX;  // -1
  for (bool first = true;; first = false) {
    const auto change = take_number(table);
    if (!change || (*change == 0 && !first)) return std::nullopt;
    value += (*change & 1) != 0 ? ~(*change >> 1) : *change >> 1;
    const auto length = take_number(table);
    if (!length) return std::nullopt;
    counter += *length;
    if (address < counter) return static_cast<std::int32_t>(value);
    if (steps_left_ == 0) return std::nullopt;
    --steps_left_;
  }
}

std::optional<std::string_view> LineTable::inline_tree(const Function& function) const {
  const auto tables = read<std::uint32_t>(function.record, kTableCountAt);
  const auto count = read<std::uint8_t>(function.record, kDataCountAt);
  if (!tables || !count || *count <= kInlineTreeData || function_data_ == 0) return std::nullopt;
  const auto offset =
      read<std::uint32_t>(function.record, kTablesAt + (std::uint64_t{*tables} + kInlineTreeData) * sizeof *tables);
  if (!offset || *offset == UINT32_MAX) return std::nullopt;
  return image_->loaded_from(function_data_ + *offset);
}

CodePlace LineTable::place(const Function& function, std::uint32_t name, std::uint64_t address) const {
  CodePlace place{text_at(names_, name), {}, 0};
  auto value = [&](std::size_t table) {
    return value_at(read<std::uint32_t>(function.record, table).value_or(0), function.entry, address);
  };
  const auto file = value(kFileTableAt);
  const auto unit = read<std::uint32_t>(function.record, kUnitAt);
  if (file && unit && *file >= 0)
    if (const auto at = read<std::uint32_t>(units_, (std::uint64_t{*unit} + static_cast<std::uint32_t>(*file)) * 4))
      place.file = text_at(files_, *at);
  place.line = value(kLineTableAt).value_or(0);
  return place;
}

std::vector<CodePlace> LineTable::places(std::uint64_t return_address) const {
  std::uint64_t address = return_address - 1;  // in the call before it, which may be the function's last instruction
  const auto function = function_at(address);
  if (!function) return {};
  std::vector<CodePlace> places;
  const auto tables = read<std::uint32_t>(function->record, kTableCountAt);
  const auto tree = inline_tree(*function);
  const auto index_table =
      tables && *tables > kInlineIndexTable
          ? read<std::uint32_t>(function->record, kTablesAt + kInlineIndexTable * sizeof *tables).value_or(0)
          : 0;
  while (tree && places.size() < kMaxInlined) {
    const auto index = value_at(index_table, function->entry, address);
    if (!index || *index < 0) break;
    const std::uint64_t call = static_cast<std::uint64_t>(*index) * kInlinedSize;
    const auto name = read<std::uint32_t>(*tree, call + kInlinedNameAt);
    const auto parent = read<std::uint32_t>(*tree, call + kInlinedParentAt);
    if (!name || !parent) break;
    places.push_back(place(*function, *name, address));
    address = function->entry + *parent;
  }
  places.push_back(place(*function, read<std::uint32_t>(function->record, kNameAt).value_or(0), address));
  return places;
}

}  // namespace sandbox_run::hooks
