// inside: prints the pid of every process that lives in another pid namespace than ours, and with --supervisors of
// every one whose executable is sandbox-run. A process inside a sandbox chooses its own name; not its namespace.
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int link_of(const char* pid, const char* what, char* text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%.20s/%s", pid, what);
  ssize_t length = readlink(path, text, size - 1);
  text[length < 0 ? 0 : length] = '\0';
  return length > 0;
}

int main(int argc, char** argv) {
  int supervisors = argc > 1 && strcmp(argv[1], "--supervisors") == 0;
  char ours[256], theirs[256];
  DIR* proc = opendir("/proc");
  if (proc == NULL || !link_of("self", "ns/pid", ours, sizeof ours)) return 1;
  for (struct dirent* entry; (entry = readdir(proc)) != NULL;) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    // No link: it is dead, or a thread of the kernel.
    if (!link_of(entry->d_name, supervisors ? "exe" : "ns/pid", theirs, sizeof theirs)) continue;
    const char* slash = strrchr(theirs, '/');
    int counts = supervisors ? slash != NULL && strcmp(slash, "/sandbox-run") == 0 : strcmp(ours, theirs) != 0;
    if (counts) puts(entry->d_name);
  }
  return 0;
}
