// Pumps: the program's three streams. None of them ever blocks the supervisor, and no flag of a descriptor that was
// inherited is ever changed: its description is shared with strangers.
#pragma once

#include <poll.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"
#include "launch/facts.h"

namespace sandbox_run::launch {

// A borrowed descriptor, used without ever blocking: through a description of our own where the kernel gives one
// (pipes, terminals), by MSG_DONTWAIT on sockets, and else after poll(2) says so.
class BorrowedStream {
 public:
  BorrowedStream() = default;  // nowhere
  static BorrowedStream reader(int fd);
  static BorrowedStream writer(int fd);

  bool exists() const { return fd_ >= 0; }
  // The borrowed one: to a description that was opened when a named pipe's last writer had gone, poll(2) never reports
  // the end.
  int poll_fd() const { return fd_; }
  // Bytes moved, or a negative errno; -EAGAIN: not now.
  ssize_t read_some(char* data, std::size_t size);
  ssize_t write_some(const char* data, std::size_t size);
  void drop();

 private:
  enum class Kind { direct, own, socket, guarded };
  static BorrowedStream open(int fd, int access);
  int moving_fd() const { return own_ ? own_.get() : fd_; }
  int fd_ = -1;
  UniqueFd own_;
  Kind kind_ = Kind::direct;
};

// From the program's pipe to a borrowed sink and to memory.
class OutputPump {
 public:
  OutputPump(UniqueFd pipe, int sink, Bytes capture);

  enum class Event { none, over_budget, sink_failed };
  void add_poll(std::vector<pollfd>& entries);
  // Moves what can be moved now. `budget`: bytes of output that are left to the run; over_budget: it wrote more, and
  // exactly the budget was passed on.
  Event serve(std::uint64_t& budget);

  bool done() const { return !pipe_ && pending_.empty(); }  // end of file seen and everything passed on
  std::size_t pending() const { return pending_.size(); }
  void abandon();  // drops what is pending and closes the pipe
  int sink_errno() const { return sink_errno_; }
  Stream take() { return std::move(stream_); }

 private:
  bool read_pipe(std::uint64_t& budget);
  Event write_sink();

  UniqueFd pipe_;
  BorrowedStream sink_;
  Bytes capture_;
  std::string pending_;
  std::size_t written_ = 0;  // of pending_
  int sink_errno_ = 0;
  Stream stream_;
};

// From a borrowed source to the program's pipe; the source is read only while the pipe has room.
class InputPump {
 public:
  InputPump(UniqueFd pipe, int source);
  void add_poll(std::vector<pollfd>& entries);
  void serve();
  void close() { pipe_.reset(); }

 private:
  bool has_room() const;
  UniqueFd pipe_;
  BorrowedStream source_;
  std::string pending_;
};

}  // namespace sandbox_run::launch
