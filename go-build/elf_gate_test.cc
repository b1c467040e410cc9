#include "go-build/elf_gate.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <vector>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run::go_build {
namespace {

struct Program {
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;
  std::vector<Elf64_Dyn> dynamic;  // stands behind the segments

  std::uint64_t dynamic_offset() const { return sizeof header + segments.size() * sizeof(Elf64_Phdr); }

  std::string bytes() {
    std::string out(sizeof header, '\0');
    header.e_phnum = static_cast<Elf64_Half>(segments.size());
    std::memcpy(out.data(), &header, sizeof header);
    for (auto& segment : segments) out.append(reinterpret_cast<const char*>(&segment), sizeof segment);
    for (auto& entry : dynamic) out.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    out.append(64, '\x90');
    return out;
  }
};

// As Go's linker lays one out: text, data, and a stack that is not executable.
Program good_program() {
  Program program;
  std::memcpy(program.header.e_ident, ELFMAG, SELFMAG);
  program.header.e_ident[EI_CLASS] = ELFCLASS64;
  program.header.e_ident[EI_DATA] = ELFDATA2LSB;
  program.header.e_ident[EI_VERSION] = EV_CURRENT;
  program.header.e_type = ET_EXEC;
  program.header.e_machine = EM_X86_64;
  program.header.e_version = EV_CURRENT;
  program.header.e_phoff = sizeof(Elf64_Ehdr);
  program.header.e_phentsize = sizeof(Elf64_Phdr);
  program.segments.push_back({PT_LOAD, PF_R | PF_X, 0, 0x400000, 0x400000, 64, 64, 4096});
  program.segments.push_back({PT_LOAD, PF_R | PF_W, 0, 0x500000, 0x500000, 64, 4096, 4096});
  program.segments.push_back({PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 8});
  return program;
}

std::string refusal(Program program, ElfPolicy policy = ElfPolicy::go_program) {
  return refuse_elf(program.bytes(), policy).value_or("");
}

void add_dynamic(Program& program, std::vector<Elf64_Dyn> entries) {
  program.segments.push_back({PT_DYNAMIC, PF_R | PF_W, 0, 0, 0, 0, 0, 8});
  program.dynamic = std::move(entries);
  program.segments.back().p_offset = program.dynamic_offset();
  program.segments.back().p_filesz = program.dynamic.size() * sizeof(Elf64_Dyn);
}

Elf64_Dyn entry_of(Elf64_Sxword tag) {
  Elf64_Dyn entry{};
  entry.d_tag = tag;
  return entry;
}

TEST(ElfGate, AStaticGoProgramPasses) {
  EXPECT_EQ(refusal(good_program()), "");
  EXPECT_EQ(refusal(good_program(), ElfPolicy::static_program), "");
}

TEST(ElfGate, EachBadShapeIsRefusedByName) {
  struct Row {
    const char* says;
    std::function<void(Program&)> change;
  };
  const Row rows[] = {
      {"not an ELF", [](Program& p) { p.header.e_ident[1] = 'X'; }},
      {"32-bit", [](Program& p) { p.header.e_ident[EI_CLASS] = ELFCLASS32; }},
      {"big-endian", [](Program& p) { p.header.e_ident[EI_DATA] = ELFDATA2MSB; }},
      {"another machine", [](Program& p) { p.header.e_machine = EM_AARCH64; }},
      {"object file", [](Program& p) { p.header.e_type = ET_REL; }},
      {"core dump", [](Program& p) { p.header.e_type = ET_CORE; }},
      {"no executable", [](Program& p) { p.header.e_type = 77; }},
      {"unknown size", [](Program& p) { p.header.e_phentsize = 8; }},
      {"no program headers", [](Program& p) { p.segments.clear(); }},
      {"outside the file", [](Program& p) { p.header.e_phoff = ~0ull - 8; }},
      {"outside the file", [](Program& p) { p.header.e_phoff = 1 << 20; }},
      {"PT_INTERP",
       [](Program& p) {
         p.segments.push_back({PT_INTERP, PF_R, 0, 0, 0, 8, 8, 1});
       }},
      {"writable and executable", [](Program& p) { p.segments[1].p_flags = PF_R | PF_W | PF_X; }},
      {"writable and executable", [](Program& p) { p.segments[0].p_flags = PF_W | PF_X; }},
      {"executable stack", [](Program& p) { p.segments[2].p_flags |= PF_X; }},
      {"cut off", [](Program& p) { p.segments[0].p_filesz = p.segments[0].p_memsz = 1 << 30; }},
      {"cut off", [](Program& p) { p.segments[0].p_offset = ~0ull; }},
      {"more in the file", [](Program& p) { p.segments[0].p_memsz = 1; }},
      {"wraps", [](Program& p) { p.segments[0].p_vaddr = ~0ull - 16; }},
      {"nothing executable", [](Program& p) { p.segments[0].p_flags = PF_R; }},
  };
  for (const Row& row : rows)
    for (auto policy : {ElfPolicy::go_program, ElfPolicy::static_program}) {
      Program program = good_program();
      row.change(program);
      EXPECT_NE(refusal(program, policy).find(row.says), std::string::npos)
          << row.says << ": " << refusal(program, policy);
    }
}

TEST(ElfGate, StaticPieIsForPrebuiltProgramsOnly) {
  Program program = good_program();
  program.header.e_type = ET_DYN;
  add_dynamic(program,
              {entry_of(DT_SONAME), entry_of(DT_NULL), entry_of(DT_NEEDED)});  // what follows DT_NULL is not read
  EXPECT_EQ(refusal(program, ElfPolicy::static_program), "");
  EXPECT_NE(refusal(program, ElfPolicy::go_program), "");
  program.header.e_type = ET_EXEC;
  EXPECT_NE(refusal(program, ElfPolicy::go_program).find("dynamic section"), std::string::npos);
}

TEST(ElfGate, ANeededLibraryIsRefusedWhereverItStandsInTheList) {
  Program program = good_program();
  add_dynamic(program, {entry_of(DT_SONAME), entry_of(DT_NEEDED), entry_of(DT_NULL)});
  EXPECT_NE(refusal(program, ElfPolicy::static_program).find("DT_NEEDED"), std::string::npos);
  Program endless = good_program();
  add_dynamic(endless, {entry_of(DT_SONAME)});
  EXPECT_NE(refusal(endless, ElfPolicy::static_program).find("no end"), std::string::npos);
}

TEST(ElfGate, EveryTruncationIsRefused) {
  std::string whole = good_program().bytes();
  ASSERT_FALSE(refuse_elf(whole, ElfPolicy::go_program));
  std::size_t needed = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr);
  for (std::size_t size = 0; size < needed; ++size)
    EXPECT_TRUE(refuse_elf(std::string_view(whole).substr(0, size), ElfPolicy::go_program)) << size;
}

TEST(ElfGate, ADescriptorIsReadLikeItsBytes) {
  ASSERT_OK_AND_ASSIGN(UniqueFd good, sealed_memfd("elf", good_program().bytes(), true));
  ASSERT_OK_AND_ASSIGN(auto passes, refuse_elf(good.get(), ElfPolicy::go_program));
  EXPECT_FALSE(passes);
  ASSERT_OK_AND_ASSIGN(UniqueFd empty, sealed_memfd("empty", "", true));
  ASSERT_OK_AND_ASSIGN(auto refused, refuse_elf(empty.get(), ElfPolicy::go_program));
  EXPECT_TRUE(refused);
  ASSERT_OK_AND_ASSIGN(UniqueFd directory, open_path("/", O_RDONLY | O_DIRECTORY));
  ASSERT_OK_AND_ASSIGN(auto no_file, refuse_elf(directory.get(), ElfPolicy::go_program));
  EXPECT_TRUE(no_file);
}

// The system's own programs: dynamically linked ones are refused, whatever the distribution.
TEST(ElfGate, TheSystemsShellIsRefusedAsDynamic) {
  ASSERT_OK_AND_ASSIGN(UniqueFd shell, open_path("/bin/sh", O_RDONLY));
  ASSERT_OK_AND_ASSIGN(auto refused, refuse_elf(shell.get(), ElfPolicy::static_program));
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->find("static"), std::string::npos) << *refused;
}

}  // namespace
}  // namespace sandbox_run::go_build
