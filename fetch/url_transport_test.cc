// The helper against a hostile server, over real TLS on the loopback.
#include "fetch/url_transport.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/testing.h"
#include "fetch/helper_process.h"
#include "fetch/test_proxy.h"

namespace sandbox_run::fetch {
namespace {

// A key and a certificate for 127.0.0.1 that vouches for itself.
void make_certificate(const std::string& certificate_path, const std::string& key_path) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  for (const auto& [nid, value] :
       {std::pair(NID_subject_alt_name, "IP:127.0.0.1"), std::pair(NID_basic_constraints, "critical,CA:TRUE")}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    ASSERT_NE(extension, nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  ASSERT_GT(X509_sign(certificate, key, EVP_sha256()), 0);
  FILE* file = std::fopen(certificate_path.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(key_path.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

// One server for the suite; python takes its time to start.
class HttpsTest : public ProxyTest {
 protected:
  static void SetUpTestSuite() {
    place_ = new TemporaryDirectory;
    // Only root may read it: the helper must take it in before it gives root up.
    certificate_ = place_->path() + "/private/certificate.pem";
    std::filesystem::create_directory(place_->path() + "/private");
    ASSERT_EQ(::chmod((place_->path() + "/private").c_str(), 0700), 0);
    make_certificate(certificate_, place_->path() + "/key.pem");
    start_server();
  }
  static void TearDownTestSuite() {
    if (server_ > 0) {
      ::kill(server_, SIGKILL);
      ::waitpid(server_, nullptr, 0);
    }
    delete place_;
  }

  static void start_server() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    server_ = ::fork();
    if (server_ == 0) {
      ::dup2(ends[1], 1);
      const std::string script = std::string(SANDBOX_RUN_SOURCE_DIR) + "/fetch/hostile_server.py";
      const std::string key = place_->path() + "/key.pem";
      ::execlp("python3", "python3", script.c_str(), certificate_.c_str(), key.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    UniqueFd output(ends[0]);
    std::string port;
    for (char c = 0; ::read(output.get(), &c, 1) == 1 && c != '\n';) port += c;
    ASSERT_FALSE(port.empty()) << "python3 is needed for this test";
    base_ = "https://127.0.0.1:" + port;
  }

  void SetUp() override {
    ProxyTest::SetUp();
    for (const char* name :
         {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "SSL_CERT_DIR", "SSL_CERT_FILE"})
      environment_.set(name, "");
    environment_.set("CURL_CA_BUNDLE", certificate_);
  }

  Result<Downloaded> get(const std::string& path, std::uint64_t limit = 1000, int timeout_seconds = 10) {
    if (!own_) own_ = make_transport({SANDBOX_RUN_FETCH_HELPER, 3, std::chrono::milliseconds(10)});
    body_ = unnamed_file(state_).value();
    return own_->get({base_ + path, Bytes{limit}, std::chrono::seconds(timeout_seconds), "m@v1.0.0"}, body_.get(),
                     narrator_);
  }
  std::string body() {
    ::lseek(body_.get(), 0, SEEK_SET);
    return read_to_end(body_.get(), Bytes{1 << 20}, "body").value();
  }
  std::string times_asked(const std::string& path) {
    EXPECT_OK(get("/asked" + path));
    return body();
  }

  inline static TemporaryDirectory* place_ = nullptr;
  inline static std::string certificate_, base_;
  inline static pid_t server_ = -1;
  std::unique_ptr<Transport> own_;
  UniqueFd body_;
};

TEST_F(HttpsTest, FetchesAndFollowsRedirectsToHttps) {
  for (const char* path : {"/ok", "/redirect", "/ok"}) {
    ASSERT_OK_AND_ASSIGN(Downloaded downloaded, get(path));
    EXPECT_TRUE(downloaded.found);
    EXPECT_EQ(body(), "content");
  }
  ASSERT_OK_AND_ASSIGN(Downloaded empty, get("/empty"));
  EXPECT_TRUE(empty.found);
  EXPECT_EQ(body(), "");
}

TEST_F(HttpsTest, OnlyNotFoundAndGoneMeanAbsentAndTheReasonIsPrintable) {
  ASSERT_OK_AND_ASSIGN(Downloaded missing, get("/missing"));
  EXPECT_FALSE(missing.found);
  EXPECT_EQ(missing.reason, "the server answered 404: not found: no such module ?[31m");
  ASSERT_OK_AND_ASSIGN(Downloaded gone, get("/gone"));
  EXPECT_FALSE(gone.found);
  EXPECT_FALSE(get("/forbidden"));
  EXPECT_EQ(times_asked("/forbidden"), "1") << "a refusal is final";
}

TEST_F(HttpsTest, WhatMayPassIsTriedAgain) {
  ASSERT_OK_AND_ASSIGN(Downloaded downloaded, get("/flaky"));
  EXPECT_TRUE(downloaded.found);
  EXPECT_EQ(body(), "content");
  auto failed = get("/error");
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().what.find("500: trouble (3 attempts)"), std::string::npos) << failed.error().what;
  EXPECT_EQ(times_asked("/error"), "3");
}

TEST_F(HttpsTest, BodiesOverTheLimitAreRefusedNotCut) {
  EXPECT_EQ(get("/endless").error().sys_errno, EFBIG);
  EXPECT_EQ(get("/huge").error().sys_errno, EFBIG);
  EXPECT_EQ(get("/ok", 6).error().sys_errno, EFBIG);
  EXPECT_OK(get("/ok", 7));  // control
}

TEST_F(HttpsTest, ABodyCutShortIsAnErrorAndNotAShorterBody) {
  EXPECT_FALSE(get("/short"));
  EXPECT_EQ(times_asked("/short"), "3");
}

TEST_F(HttpsTest, RedirectsLeadNowhereButHttps) {
  for (const char* path : {"/redirect-http", "/redirect-file", "/redirect-forever"}) EXPECT_FALSE(get(path)) << path;
  EXPECT_OK(get("/redirect"));  // control
}

TEST_F(HttpsTest, ASilentServerIsGivenUp) {
  const auto begin = std::chrono::steady_clock::now();
  own_ = make_transport({SANDBOX_RUN_FETCH_HELPER, 1, std::chrono::milliseconds(10)});
  EXPECT_FALSE(get("/slow", 1000, 1));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
}

TEST_F(HttpsTest, AServerNobodyVouchesForIsRefused) {
  environment_.set("CURL_CA_BUNDLE", "");
  auto refused = get("/ok");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("certificate"), std::string::npos) << refused.error().what;
  environment_.set("CURL_CA_BUNDLE", certificate_);
  own_.reset();
  EXPECT_OK(get("/ok"));  // control
}

TEST_F(HttpsTest, TheHelperIsNobodyAndGoesWithTheTransport) {
  ASSERT_EQ(::geteuid(), 0u) << "this test needs root";
  ASSERT_OK(get("/ok"));
  std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  pid_t helper = 0;
  for (pid_t child = 0; children >> child;)
    if (child != server_) helper = child;
  ASSERT_GT(helper, 0);
  std::stringstream status;
  status << std::ifstream("/proc/" + std::to_string(helper) + "/status").rdbuf();
  EXPECT_NE(status.str().find("Uid:\t65534\t65534\t65534\t65534"), std::string::npos) << status.str();
  EXPECT_NE(status.str().find("Gid:\t65534\t65534\t65534\t65534"), std::string::npos);
  EXPECT_NE(status.str().find("CapPrm:\t0000000000000000"), std::string::npos);
  EXPECT_NE(status.str().find("NoNewPrivs:\t1"), std::string::npos);
  own_.reset();
  EXPECT_EQ(::kill(helper, 0), -1);
}

TEST_F(HttpsTest, AHelperThatBreaksTheProtocolOrIsAbsentIsAnError) {
  write(dir_ + "/echo", "#!/bin/sh\nexec cat >&0\n");
  ASSERT_EQ(::chmod((dir_ + "/echo").c_str(), 0755), 0);
  for (const std::string& program : {dir_ + "/echo", std::string("/bin/false"), std::string("/nonexistent")}) {
    own_ = make_transport({program, 2, std::chrono::milliseconds(1)});
    auto failed = get("/ok");
    ASSERT_FALSE(failed) << program;
    EXPECT_EQ(failed.error().fault, Fault::host);
  }
}

TEST(FetchHelper, StartedByHandItSaysWhatItIs) {
  const std::string command = std::string(SANDBOX_RUN_FETCH_HELPER) + " </dev/null 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  char text[200] = {};
  EXPECT_GT(std::fread(text, 1, sizeof text - 1, pipe), 0u);
  EXPECT_EQ(WEXITSTATUS(::pclose(pipe)), 2);
  EXPECT_NE(std::string(text).find("started by sandbox-run"), std::string::npos);
}

}  // namespace
}  // namespace sandbox_run::fetch
