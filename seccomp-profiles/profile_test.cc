#include "seccomp-profiles/profile.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "base/testing.h"
#include "seccomp-profiles/condition_parser.h"
#include "seccomp-profiles/filter.h"

namespace sandbox_run::seccomp_profiles {
namespace {

using ::testing::HasSubstr;

// The message of a profile whose second line is `line`.
std::string refusal_of(const std::string& line) {
  const auto profile = Profile::parse("# mine: a test\n" + line + "\n", "mine");
  return profile ? "accepted" : profile.error().what;
}

TEST(ProfileText, AnExampleWithEveryKindOfLineReadsAsWritten) {
  ASSERT_OK_AND_ASSIGN(const Profile profile, Profile::parse("# mine: what it is for\n"
                                                             "\n"
                                                             "# a comment\n"
                                                             "allow read # descriptors\n"
                                                             "quiet clone3\tENOSYS # behind a pointer\n"
                                                             "allow futex op=={FUTEX_WAIT_PRIVATE,0x81} # sleeping\n"
                                                             "allow mmap prot within PROT_READ+PROT_WRITE & flags==0 | "
                                                             "prot==PROT_EXEC # odd\n",
                                                             "mine"));
  EXPECT_EQ(profile.summary, "what it is for");
  EXPECT_TRUE(profile.exec_once);
  ASSERT_EQ(profile.rules.size(), 4u);
  EXPECT_EQ(profile.rules[0].syscall, "read");
  EXPECT_EQ(profile.rules[0].number, 0);
  EXPECT_EQ(profile.rules[0].line, 4);
  EXPECT_EQ(profile.rules[0].origin, "mine");
  EXPECT_EQ(profile.rules[0].reason, "descriptors");
  EXPECT_EQ(profile.rules[1].answer, Rule::Answer::quiet);
  EXPECT_EQ(profile.rules[1].error, ENOSYS);
  const Alternatives futex = {{{1, 0x80, Condition::Test::equal}}, {{1, 0x81, Condition::Test::equal}}};
  EXPECT_EQ(profile.rules[2].alternatives, futex);
  const Alternatives mmap = {{{2, 3, Condition::Test::within}, {3, 0, Condition::Test::equal}},
                             {{2, 4, Condition::Test::equal}}};
  EXPECT_EQ(profile.rules[3].alternatives, mmap);
  EXPECT_EQ(profile.rules[3].condition_text, "prot within PROT_READ+PROT_WRITE & flags==0 | prot==PROT_EXEC");
}

TEST(ProfileText, AnErrorNamesItsLineAndWhatWouldBeRight) {
  EXPECT_THAT(refusal_of("allow raed # why"), HasSubstr("mine:2: x86-64 has no system call 'raed'"));
  EXPECT_THAT(refusal_of("allow read"), HasSubstr("mine:2: a rule needs its reason"));
  EXPECT_THAT(refusal_of("allow read #  "), HasSubstr("a rule needs its reason"));
  EXPECT_THAT(refusal_of("deny read # why"), HasSubstr("'deny' is neither allow, quiet nor include"));
  EXPECT_THAT(refusal_of("quiet read # why"), HasSubstr("expected the errno"));
  EXPECT_THAT(refusal_of("quiet read EWHAT # why"), HasSubstr("not 'EWHAT'"));
  EXPECT_THAT(refusal_of("allow futex operation==1 # why"), HasSubstr("it has uaddr, op, val"));
  EXPECT_THAT(refusal_of("allow futex op==FUTEX_WHAT # why"), HasSubstr("unknown constant 'FUTEX_WHAT'"));
  EXPECT_THAT(refusal_of("allow futex op==0x1ffffffffffffffff # why"), HasSubstr("no 64-bit number"));
  EXPECT_THAT(refusal_of("allow futex op==089 # why"), HasSubstr("no 64-bit number"));
  EXPECT_THAT(refusal_of("allow futex op>=1 # why"), HasSubstr("expected '==', '!=' or 'within'"));
  EXPECT_THAT(refusal_of("allow futex op== # why"), HasSubstr("expected a number or a constant"));
  EXPECT_THAT(refusal_of("allow futex op==1 val==2 # why"), HasSubstr("expected '&', '|' or the end"));
  EXPECT_THAT(refusal_of("allow futex op=={1,1} # why"), HasSubstr("stands twice"));
  EXPECT_THAT(refusal_of("allow futex op=={1,2 # why"), HasSubstr("expected ',' or '}'"));
  EXPECT_THAT(refusal_of("allow futex op==1 & op==2 # why"), HasSubstr("compared twice"));
  EXPECT_THAT(refusal_of("allow read # bell\a"), HasSubstr("control character"));
  EXPECT_THAT(refusal_of("include nothing"), HasSubstr("cannot include 'nothing'"));
}

TEST(ProfileText, FirstLineMustSayWhatTheProfileIsFor) {
  for (const char* text : {"", "\n\n", "allow read # why\n"}) {
    const auto profile = Profile::parse(text, "mine");
    ASSERT_FALSE(profile.has_value());
    EXPECT_EQ(profile.error().fault, Fault::input);
    EXPECT_THAT(profile.error().what, HasSubstr("mine:1:"));
    EXPECT_THAT(profile.error().what, HasSubstr("'# NAME: what this profile is for'"));
  }
  EXPECT_THAT(Profile::parse("\nallow read # why\n", "mine").error().what,
              testing::AllOf(HasSubstr("mine:2: a profile begins with"), HasSubstr("above 'allow read # why'")));
}

TEST(ProfileText, NoRuleRepeatsOrContradictsAnother) {
  EXPECT_THAT(refusal_of("allow read # a\nallow read # b"), HasSubstr("mine:3: read repeats mine:2"));
  EXPECT_THAT(refusal_of("allow read # a\nquiet read EPERM # b"), HasSubstr("mine:3: read contradicts mine:2"));
  EXPECT_THAT(refusal_of("quiet prctl EPERM option==1 # a\nquiet prctl EINVAL option==1 # b"),
              HasSubstr("contradicts"));
  EXPECT_THAT(refusal_of("allow prctl option==1 # a\nallow prctl option==1 & arg2==3 # b"), HasSubstr("repeats"));
  EXPECT_THAT(refusal_of("allow prctl option==1 & arg2==3 # a\nallow prctl option==1 # b"), HasSubstr("repeats"));
  EXPECT_THAT(refusal_of("allow prctl option within 7 # a\nquiet prctl EPERM option==5 # b"), HasSubstr("contradicts"));
  EXPECT_THAT(refusal_of("allow prctl option==1 | option==1 & arg2==0 # a"), HasSubstr("of the same line"));
  EXPECT_EQ(refusal_of("allow prctl option==1 # a\nquiet prctl EPERM option==2 # b"), "accepted");
  EXPECT_EQ(refusal_of("allow prctl option within 7 # a\nquiet prctl EPERM option==8 # b"), "accepted");
  EXPECT_EQ(refusal_of("allow prctl option==1 # a\nallow prctl arg2==1 # overlaps, same answer"), "accepted");
}

TEST(ProfileText, IncludedRulesKeepTheirPlaceAndErrorsNameTheIncludingFile) {
  ASSERT_OK_AND_ASSIGN(const Profile profile, Profile::parse("# mine: more than go-run\ninclude go-run\n"
                                                             "allow statfs # sizes\n",
                                                             "mine"));
  EXPECT_EQ(profile.rules.front().origin, "go-base");
  EXPECT_EQ(profile.rules.back().origin, "mine");
  EXPECT_THAT(refusal_of("include go-run\nallow kill # all"), HasSubstr("mine:3: kill repeats go-run:"));
}

TEST(ProfileText, AllowingExecLiftsExecOnce) {
  ASSERT_OK_AND_ASSIGN(const Profile profile, Profile::parse("# m: x\nallow execve # children\n", "m"));
  EXPECT_FALSE(profile.exec_once);
  ASSERT_OK_AND_ASSIGN(const Profile quiet, Profile::parse("# m: x\nquiet execve EPERM # no children\n", "m"));
  EXPECT_TRUE(quiet.exec_once);
}

TEST(ProfileText, ACallMayBeAnsweredWithSuccessUnlessItMatters) {
  ASSERT_OK_AND_ASSIGN(const Profile profile,
                       Profile::parse("# m: x\nquiet fsync OK # nothing to do\nquiet umask EPERM # it stays\n", "m"));
  EXPECT_EQ(profile.rules[0].answer, Rule::Answer::quiet);
  EXPECT_EQ(profile.rules[0].error, 0);
  EXPECT_EQ(syncing(profile).rules[0].answer, Rule::Answer::allow);
  EXPECT_EQ(syncing(profile).rules[1].answer, Rule::Answer::quiet);
}

TEST(ProfileText, TooMuchIsRefused) {
  EXPECT_FALSE(Profile::parse("# m: x\n" + std::string(70000, '\n'), "m").has_value());
  std::string set = "allow futex op=={0";
  for (int i = 1; i < 100; ++i) set += "," + std::to_string(i);
  EXPECT_THAT(refusal_of(set + "} # many"), HasSubstr("more than 64 alternatives"));
}

TEST(ProfileLoad, BuiltInsAreListedAndUnknownNamesSayWhichExist) {
  EXPECT_THAT(Profile::builtin_names(), ::testing::ElementsAre("generic", "go-build", "go-run", "go-run-loopback"));
  for (const std::string& name : Profile::builtin_names()) {
    ASSERT_OK_AND_ASSIGN(const Profile profile, Profile::load(name));
    EXPECT_EQ(profile.name, name);
    EXPECT_FALSE(profile.summary.empty());
    EXPECT_EQ(profile.exec_once, name != "go-build");
  }
  const auto unknown = Profile::load("go-walk");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().what, HasSubstr("go-run-loopback; a file's name needs a '/'"));
  const auto absent = Profile::load("./no-such.profile");
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().sys_errno, ENOENT);
}

TEST(ProfileLoad, AFileIsReadAndItsErrorsNameIt) {
  const std::string directory = SANDBOX_RUN_SOURCE_DIR "/seccomp-profiles/";
  ASSERT_OK_AND_ASSIGN(const Profile profile, Profile::load(directory + "go-run.profile"));
  ASSERT_OK_AND_ASSIGN(const Filter filter, compile(profile));
  const Filter* builtin = builtin_filter("go-run");
  ASSERT_NE(builtin, nullptr);
  EXPECT_EQ(filter.program.size(), builtin->program.size());
}

TEST(Names, CallsAndArchitecturesAreNamedBothWays) {
  EXPECT_EQ(syscall_name(0xc000003e, 257), "openat");
  EXPECT_EQ(syscall_name(0xc000003e, 452), "fchmodat2");
  EXPECT_EQ(syscall_name(0xc000003e, 462), "mseal");
  EXPECT_EQ(syscall_name(0xc000003e, 335), "uretprobe");
  EXPECT_EQ(syscall_name(0xc000003e, 9999), "");
  EXPECT_EQ(syscall_name(0xc000003e, -1), "");
  EXPECT_EQ(syscall_name(0x40000003, 20), "getpid");
  EXPECT_EQ(syscall_name(0x40000003, 102), "socketcall");
  EXPECT_EQ(syscall_name(0x12345678, 20), "");
  EXPECT_EQ(arch_name(0xc000003e, 20), "x86_64");
  EXPECT_EQ(arch_name(0xc000003e, 0x40000014), "x32");
  EXPECT_EQ(arch_name(0x40000003, 20), "i386");
  EXPECT_EQ(arch_name(0xc00000b7, 20), "aarch64");
  EXPECT_EQ(arch_name(0x12345678, 20), "0x12345678");
  for (int number = 0; number < 470; ++number) {
    const std::string name = syscall_name(0xc000003e, number);
    if (name.empty()) continue;
    EXPECT_EQ(syscall_number(name), number) << name;
  }
}

}  // namespace
}  // namespace sandbox_run::seccomp_profiles
