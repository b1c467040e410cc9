// contained GROUP PROGRAM ARGS…: runs PROGRAM as a container's first process sees things: in that group, a cgroup
// namespace whose root it is, and a mount of cgroup2 that shows no more.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

static int failed(const char* what) {
  perror(what);
  return 70;
}

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  char path[512];
  snprintf(path, sizeof path, "%s/cgroup.procs", argv[1]);
  int procs = open(path, O_WRONLY | O_CLOEXEC);
  if (procs < 0 || write(procs, "0", 1) != 1) return failed(path);
  if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS) != 0) return failed("unshare");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return failed("private");
  if (umount2("/sys/fs/cgroup", MNT_DETACH) != 0) return failed("umount");
  if (mount("none", "/sys/fs/cgroup", "cgroup2", 0, NULL) != 0) return failed("mount");
  execvp(argv[2], argv + 2);
  return failed(argv[2]);
}
