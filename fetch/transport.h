// Transport: the bytes behind one URL, into a file. An interface so that tests can play the network.
#pragma once

#include <chrono>
#include <string>

#include "base/narrator.h"
#include "base/result.h"
#include "base/units.h"

namespace sandbox_run::fetch {

struct Download {
  std::string url;
  Bytes limit;                   // more than this is refused, never cut
  std::chrono::seconds timeout;  // for the whole transfer
  std::string what;              // "golang.org/x/sys@v0.30.0": for progress and messages
};

struct Downloaded {
  bool found = false;
  std::string reason;  // not found: what the server said, one printable line
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Writes the body to `output_fd`, a regular file or memory file that is ours, empty and positioned at 0; it is
  // emptied again for a retry. found == false for 404 and 410 (an absent file): the only answers that mean "no such
  // module". Fails with: Fault::host; sys_errno EFBIG over the limit. The message names the URL without its
  // credentials.
  virtual Result<Downloaded> get(const Download& download, int output_fd, Narrator& narrator) = 0;
};

// "https://user:secret@proxy/x" → "https://proxy/x"
std::string without_credentials(const std::string& url);

}  // namespace sandbox_run::fetch
