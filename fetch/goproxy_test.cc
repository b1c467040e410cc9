#include "fetch/goproxy.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "base/testing.h"
#include "fetch/test_proxy.h"

namespace sandbox_run::fetch {
namespace {

// The network as a table: URL → "found", "missing" or an error's text. Records who was asked.
struct FakeNetwork {
  std::map<std::string, std::string> says;
  std::vector<std::string> asked;
  Result<ProxyAnswer> operator()(const std::string& url) {
    asked.push_back(url);
    const std::string& answer = says.at(url);
    if (answer == "found") return ProxyAnswer{true, ""};
    if (answer == "missing") return ProxyAnswer{false, "not found"};
    return host_error(answer);
  }
};

struct ListCase {
  const char* list;
  std::map<std::string, std::string> says;
  std::vector<std::string> asked;
  const char* outcome;  // "found", "missing", or a part of the error
};

TEST(GoproxyList, FallsThroughAsTheSeparatorsSay) {
  const std::string a = "https://a.test", b = "https://b.test";
  const ListCase cases[] = {
      {"https://a.test,https://b.test", {{a, "found"}}, {a}, "found"},
      {"https://a.test,https://b.test", {{a, "missing"}, {b, "found"}}, {a, b}, "found"},
      {"https://a.test,https://b.test", {{a, "500"}}, {a}, "500"},
      {"https://a.test|https://b.test", {{a, "500"}, {b, "found"}}, {a, b}, "found"},
      {"https://a.test|https://b.test", {{a, "500"}, {b, "missing"}}, {a, b}, "500"},
      {"https://a.test|https://b.test", {{a, "500"}, {b, "timeout"}}, {a, b}, "timeout"},
      {"https://a.test,https://b.test", {{a, "missing"}, {b, "missing"}}, {a, b}, "missing"},
      {"https://a.test,off", {{a, "missing"}}, {a}, "switched off"},
      {"https://a.test|off", {{a, "500"}}, {a}, "500"},
      {"off", {}, {}, "GOPROXY=off"},
      {"off,https://a.test", {}, {}, "switched off"},
      {"https://a.test,direct", {{a, "missing"}}, {a}, "missing"},
      {"https://a.test,direct", {{a, "500"}}, {a}, "500"},
      {"https://a.test|direct", {{a, "500"}}, {a}, "500"},
      {"direct,https://a.test", {}, {}, "missing"},
      {" https://a.test , , https://b.test/ ", {{a, "missing"}, {b, "found"}}, {a, b}, "found"},
      {"a.test", {{a, "found"}}, {a}, "found"},
  };
  for (const ListCase& c : cases) {
    SCOPED_TRACE(c.list);
    ASSERT_OK_AND_ASSIGN(std::vector<ProxyEntry> proxies, parse_goproxy(c.list));
    FakeNetwork network{c.says, {}};
    Result<ProxyAnswer> answer = ask_proxies(proxies, std::ref(network));
    EXPECT_EQ(network.asked, c.asked);
    const std::string outcome = !answer ? answer.error().what : answer->found ? "found" : "missing";
    EXPECT_NE(outcome.find(c.outcome), std::string::npos) << outcome;
  }
}

TEST(GoproxyList, DirectIsExplained) {
  ASSERT_OK_AND_ASSIGN(std::vector<ProxyEntry> proxies, parse_goproxy("direct"));
  ASSERT_OK_AND_ASSIGN(ProxyAnswer answer, ask_proxies(proxies, [](const std::string&) {
                         return ProxyAnswer{true, ""};
                       }));
  EXPECT_FALSE(answer.found);
  EXPECT_NE(answer.reason.find("version control"), std::string::npos);
}

TEST(GoproxyList, RefusesWhatIsNeitherHttpsNorFileAndHidesSecrets) {
  for (const char* list :
       {"", ",", " | ", "http://a.test", "ftp://a.test", "gopher", "/srv/proxy", "https://a.test,http://b.test"}) {
    auto parsed = parse_goproxy(list);
    ASSERT_FALSE(parsed) << list;
    EXPECT_EQ(parsed.error().fault, Fault::input);
  }
  EXPECT_EQ(parse_goproxy("http://user:secret@a.test").error().what.find("secret"), std::string::npos);
  EXPECT_OK(parse_goproxy("file:///srv/proxy"));  // control
}

TEST(WithoutCredentials, KeepsTheRestOfTheUrl) {
  EXPECT_EQ(without_credentials("https://user:secret@a.test/x/@v/list"), "https://a.test/x/@v/list");
  EXPECT_EQ(without_credentials("https://a.test/x/@v/list"), "https://a.test/x/@v/list");
  EXPECT_EQ(without_credentials("a@b"), "a@b");
}

class GoproxyOfHost : public ProxyTest {
 protected:
  void SetUp() override {
    ProxyTest::SetUp();
    environment_.set("GOPROXY", "");
    environment_.set("PATH", dir_ + "/path");
  }
  void make_go(const std::string& directory, const std::string& script) {
    write(directory + "/go", "#!/bin/sh\n" + script + "\n");
    ASSERT_EQ(::chmod((directory + "/go").c_str(), 0755), 0);
  }
};

TEST_F(GoproxyOfHost, TheVariableComesFirstThenTheToolchainThenPath) {
  make_go(dir_ + "/path", "test \"$1 $2\" = 'env GOPROXY' && echo https://from-path.test");
  make_go(dir_ + "/goroot/bin", "echo \"https://from-goroot.test,$GOTOOLCHAIN\"");
  EXPECT_EQ(goproxy_of_host("").value(), "https://from-path.test");
  EXPECT_EQ(goproxy_of_host(dir_ + "/goroot").value(), "https://from-goroot.test,local");
  environment_.set("GOPROXY", "https://from-variable.test");
  EXPECT_EQ(goproxy_of_host(dir_ + "/goroot").value(), "https://from-variable.test");
}

TEST_F(GoproxyOfHost, WithoutAnyGoItSaysWhatToDo) {
  auto list = goproxy_of_host("");
  ASSERT_FALSE(list);
  EXPECT_NE(list.error().what.find("set GOPROXY"), std::string::npos) << list.error().what;
  make_go(dir_ + "/path", "exit 1");
  EXPECT_FALSE(goproxy_of_host(""));
}

}  // namespace
}  // namespace sandbox_run::fetch
