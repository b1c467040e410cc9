// Modules: where sum-verify gets the bytes of modules from: the store, then the host's module cache (read, never
// trusted), then, where asked to, GOPROXY. Nothing that was not compared with go.sum or a pin ever gets a name in the
// store.
//
//   STATE/modules/HEX/{zip,tree/,manifest,module}   HEX: the 32 bytes of the zip's h1, which covers "path@version/" of
//   every file, STATE/modules/HEX/{mod,module}         or of a go.mod's h1: two contents of one path@version never meet
//   STATE/modules/.index/ESCAPED/@v/…      which HEX are known for a path@version: a hint, never evidence
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/narrator.h"
#include "base/unique_fd.h"
#include "fetch/goproxy.h"
#include "fetch/transport.h"
#include "sum-verify/verify.h"

namespace sandbox_run::fetch {

class Modules final : public sum_verify::ModuleSource {
 public:
  struct Options {
    std::string state_directory;
    std::string goroot;      // its `go env GOPROXY` is the default list
    bool may_fetch = false;  // --fetch
    std::string goproxy;     // empty: goproxy_of_host(goroot), asked when it is first needed
    std::string host_cache;  // empty: the host's GOMODCACHE, as cmd/go finds it from the environment; "off": none
    Transport* transport = nullptr;  // borrowed; nullptr: make_transport()
    Bytes store_cap{4ull << 30};     // of STATE/modules, kept when something was added
  };

  static Result<std::unique_ptr<Modules>> open(Options options, Narrator& narrator);
  ~Modules() override;

  // The hashes that a go.sum's text wants. Where the store has several contents for one path@version, this chooses;
  // nothing is believed because of it.
  void expect(std::string_view go_sum);
  // The same from the go.sum in the directory `root_fd`, if there is one that can be read.
  void expect_go_sum_in(int root_fd);

  Result<std::optional<std::string>> go_mod(const sum_verify::ModuleVersion& module) override;
  Result<std::optional<UniqueFd>> zip(const sum_verify::ModuleVersion& module) override;
  Result<std::string> extract(const sum_verify::ModuleVersion& module, int zip_fd, const std::string& h1) override;
  Result<std::optional<std::string>> manifest(const sum_verify::ModuleVersion& module, const std::string& h1) override;
  Result<std::string> keep_go_mod(const sum_verify::ModuleVersion& module, const std::string& text,
                                  const std::string& h1) override;

  // zip() without GOPROXY: the store and the host's cache only.
  Result<std::optional<UniqueFd>> zip_on_this_machine(const sum_verify::ModuleVersion& module);

  // Whether a proxy knows this version (its .info). Fails with: as the transport and the list say.
  Result<bool> is_on_proxy(const sum_verify::ModuleVersion& module);

  // What to do about a module that was not found: "run again with --fetch", or what the proxies said.
  std::string how_to_get(const sum_verify::ModuleVersion& module) const override;

  // A small file of the proxy protocol below a module's path ("@latest", "@v/list", "@v/master.info"), never stored.
  // nullopt: no such thing, or fetching is off.
  Result<std::optional<std::string>> query(const std::string& module_path, const std::string& rest);

  const Options& options() const { return options_; }
  Narrator& narrator() { return narrator_; }

 private:
  Modules(Options options, Narrator& narrator);
  Result<bool> download(const std::string& proxy_path, const std::string& what, Bytes limit, int output_fd,
                        const sum_verify::ModuleVersion& module);
  std::vector<std::string> stored(const sum_verify::ModuleVersion& module, const std::string& suffix) const;
  Status remember(const sum_verify::ModuleVersion& module, const std::string& suffix, const std::string& hex) const;
  using Fill = std::function<Status(const std::string& temporary)>;
  // STATE/modules/HEX, filled if need be and held; one that is no longer good is filled again.
  Result<std::string> entry(const sum_verify::ModuleVersion& module, const std::string& h1, const std::string& suffix,
                            const Fill& fill, const std::function<bool(const std::string& path)>& is_good);

  Options options_;
  Narrator& narrator_;
  std::unique_ptr<Transport> own_transport_;
  std::vector<ProxyEntry> proxies_;
  std::map<std::string, std::string> expected_;  // "path version" and "path version/go.mod" → HEX
  std::map<sum_verify::ModuleVersion, std::string> not_found_;
  std::vector<UniqueFd> holds_;  // entries handed out stay while we live
  bool added_ = false;
};

// An empty file without a name in STATE/tmp: bodies that nothing vouches for yet live and die in one.
Result<UniqueFd> unnamed_file(const std::string& state_directory);

// 64 hex digits of "h1:…". Fails with: Fault::input where it is no h1.
Result<std::string> hex_of_h1(const std::string& h1);

}  // namespace sandbox_run::fetch
