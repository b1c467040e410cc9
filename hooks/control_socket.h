// ControlSocket: the unix socket over which `sandbox-run trace` switches a running program's rules.
//
// One request a connection: a line "attach RULE", "detach RULE", "list" or "reload BYTES NAME" (followed by BYTES bytes
// of a rules file that errors call NAME). One line of JSON comes back: {"ok":true,…} or {"ok":false,"error":"…"}.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

struct pollfd;

namespace sandbox_run::hooks {

struct ControlRequest {
  enum class Kind { attach, detach, reload, list };
  Kind kind = Kind::list;
  std::string rule;  // attach, detach
  std::string name;  // reload: what errors call the text
  std::string text;  // reload
};

// ── the collector's end ──────────────────────────────────────────────────────────────────────────────────────────────
class ControlSocket {
 public:
  // Answers with the line to send, without its line break. `uid` is the asker's.
  using Handler = std::function<std::string(const ControlRequest& request, std::uint32_t uid)>;

  // Mode 0600; whatever socket stood at `path` is replaced. Only our own user and root are answered.
  static Result<ControlSocket> listen(const std::string& path, Handler handler);
  ControlSocket(ControlSocket&&) = default;
  ControlSocket& operator=(ControlSocket&&) = delete;
  ~ControlSocket();

  // Waits at most `timeout_ms` for something to do, and does it. Never blocks on a peer: one that says nothing for
  // kPatience is hung up on.
  void serve(int timeout_ms);

 private:
  struct Peer {
    UniqueFd fd;
    std::uint32_t uid = 0;
    std::uint64_t deadline_ns = 0;
    std::string received;
    std::string to_send;
  };
  ControlSocket(std::string path, UniqueFd fd, Handler handler);
  void accept_peer();
  bool serve_peer(Peer& peer, short events);  // false: done with it

  std::string path_;
  UniqueFd fd_;
  Handler handler_;
  std::list<Peer> peers_;
};

// ── the asker's end ──────────────────────────────────────────────────────────────────────────────────────────────────
// The line that came back. Fails with: Fault::input where nothing listens at `path` or the answer says "ok":false (with
// its error's words), Fault::host on trouble on the way.
Result<std::string> ask(const std::string& path, const ControlRequest& request);

}  // namespace sandbox_run::hooks
