// Payload: what the launch tests run inside. payload WHAT ARGS…; one static program, so that nothing of the host is
// needed in the root. Prints what it saw; exits 0 unless told otherwise.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static long number(const char* text) { return strtol(text, NULL, 0); }

// call NUMBER ARGS…: one raw system call; "ok" or the error's name. An argument @TEXT is a pointer to TEXT.
static int do_call(int count, char** words) {
  long a[7] = {0};
  for (int i = 0; i < count && i < 7; ++i) a[i] = words[i][0] == '@' ? (long)(words[i] + 1) : number(words[i]);
  long result = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
  printf("%s\n", result < 0 ? strerrorname_np(errno) : "ok");
  return 0;
}

static int do_echo(void) {
  static char buffer[65536];
  for (;;) {
    ssize_t got = read(0, buffer, sizeof buffer);
    if (got <= 0) return got < 0;
    for (ssize_t put = 0; put < got;) {
      ssize_t n = write(1, buffer + put, got - put);
      if (n < 0) return 1;
      put += n;
    }
  }
}

// write FD BYTES: that many letters, in pieces of 1000.
static int do_write(int fd, long bytes) {
  char piece[1000];
  memset(piece, 'x', sizeof piece);
  while (bytes > 0) {
    ssize_t n = write(fd, piece, bytes < 1000 ? bytes : 1000);
    if (n < 0) return errno == EPIPE ? 3 : 1;
    bytes -= n;
  }
  return 0;
}

static int do_spin(double seconds) {
  struct timespec now;
  do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  while (now.tv_sec + now.tv_nsec / 1e9 < seconds);
  return 0;
}

static int do_alloc(long mebibytes, int shared) {
  char* memory = mmap(NULL, mebibytes << 20, PROT_READ | PROT_WRITE,
                      (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  for (long at = 0; at < mebibytes << 20; at += 4096) memory[at] = 1;
  puts("held");
  fflush(stdout);
  return 0;
}

// fill PATH BYTES: a file of that size; the error's name where it stopped.
static int do_fill(const char* path, long bytes) {
  int fd = open(path, O_WRONLY | O_CREAT, 0644);
  if (fd < 0) return puts(strerrorname_np(errno)), 1;
  int result = do_write(fd, bytes);
  puts(result == 0 ? "ok" : strerrorname_np(errno));
  return result;
}

static int do_inodes(const char* directory) {
  char path[200];
  for (int i = 0;; ++i) {
    snprintf(path, sizeof path, "%s/%d", directory, i);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) return puts(strerrorname_np(errno)), 1;
    close(fd);
  }
}

static int do_list(const char* path) {
  DIR* directory = opendir(path);
  if (directory == NULL) return puts(strerrorname_np(errno)), 0;
  struct dirent* entry;
  while ((entry = readdir(directory)) != NULL)
    if (entry->d_name[0] != '.') printf("%s ", entry->d_name);
  puts("");
  return 0;
}

// open PATH r|w|rw: "ok" or the error's name.
static int do_open(const char* path, const char* how) {
  int fd = open(path, strcmp(how, "r") == 0 ? O_RDONLY : strcmp(how, "w") == 0 ? O_WRONLY : O_RDWR);
  puts(fd < 0 ? strerrorname_np(errno) : "ok");
  return 0;
}

static int do_descriptors(void) {
  for (int fd = 0; fd < 4096; ++fd)
    if (fcntl(fd, F_GETFD) >= 0) printf("%d ", fd);
  puts("");
  return 0;
}

static int do_capabilities(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return 1;
  int bounding = 0, ambient = 0;
  for (int i = 0; i < 64; ++i) {
    bounding += prctl(PR_CAPBSET_READ, i, 0, 0, 0) > 0;
    ambient += prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) > 0;
  }
  printf("effective %x permitted %x inheritable %x bounding %d ambient %d nnp %d\n",
         data[0].effective | data[1].effective, data[0].permitted | data[1].permitted,
         data[0].inheritable | data[1].inheritable, bounding, ambient, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  return 0;
}

static int do_identity(void) {
  struct utsname name;
  char directory[200] = "?";
  uname(&name);
  if (getcwd(directory, sizeof directory) == NULL) strcpy(directory, "?");
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  int blocked = 0;
  for (int i = 1; i < 65; ++i) blocked += sigismember(&mask, i) == 1;
  printf("uid %d gid %d pid %d ppid %d host %s cwd %s blocked %d\n", getuid(), getgid(), getpid(), getppid(),
         name.nodename, directory, blocked);
  return 0;
}

static int do_limits(void) {
  const int resources[] = {RLIMIT_NOFILE, RLIMIT_FSIZE,  RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_SIGPENDING,
                           RLIMIT_NICE,   RLIMIT_RTPRIO, RLIMIT_MSGQUEUE, RLIMIT_CPU};
  for (unsigned i = 0; i < sizeof resources / sizeof *resources; ++i) {
    struct rlimit limit;
    getrlimit(resources[i], &limit);
    printf("%ld ", (long)limit.rlim_max);
  }
  puts("");
  return 0;
}

// forks COUNT: children that sleep; how many there were.
static int do_forks(long count) {
  long made = 0;
  for (; made < count; ++made) {
    pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      sleep(100);
      _exit(0);
    }
  }
  printf("made %ld\n", made);
  return made == count ? 0 : 7;
}

static int do_int80(void) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
  printf("pid %ld\n", result);
  return 0;
}

static void on_interrupt(int signal) {
  (void)signal;
  static const char text[] = "interrupted\n";
  (void)!write(1, text, sizeof text - 1);
  _exit(42);
}

// exec PATH ARGS…: what execve says when it comes back.
static int do_exec(char** words) {
  char* environment[] = {NULL};
  execve(words[0], words, environment);
  puts(strerrorname_np(errno));
  return 0;
}

static int do_print(int count, char** words, char** environment) {
  for (int i = 0; i < count; ++i) printf("[%s]", words[i]);
  for (; *environment != NULL; ++environment) printf("{%s}", *environment);
  puts("");
  return 0;
}

static int do_both(void) {
  for (int i = 0; i < 100; ++i) {
    dprintf(1, "o%d\n", i);
    dprintf(2, "e%d\n", i);
  }
  return 0;
}

// abstract-listen NAME, abstract-connect NAME: a socket without a path lives in its network namespace alone.
static int do_abstract(const char* name, int listens) {
  struct sockaddr_un address = {AF_UNIX, {0}};
  strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
  const socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  int failed = fd < 0 || (listens ? bind(fd, (struct sockaddr*)&address, length) != 0 || listen(fd, 1) != 0
                                  : connect(fd, (struct sockaddr*)&address, length) != 0);
  puts(failed ? strerrorname_np(errno) : "ok");
  fflush(stdout);
  if (listens && !failed) sleep(100);
  return 0;
}

int main(int argc, char** argv, char** environment) {
  const char* what = argc > 1 ? argv[1] : "";
  char* one = argc > 2 ? argv[2] : "";
  char* two = argc > 3 ? argv[3] : "";
#define IS(name) (strcmp(what, name) == 0)
  if (IS("exit")) return (int)number(one);
  if (IS("call")) return do_call(argc - 2, argv + 2);
  if (IS("echo")) return do_echo();
  if (IS("write")) return signal(SIGPIPE, SIG_IGN), do_write((int)number(one), number(two));
  if (IS("write-default")) return do_write((int)number(one), number(two));
  if (IS("spin")) return do_spin(atof(one));
  if (IS("sleep")) return sleep((unsigned)number(one)), 0;
  if (IS("alloc")) return do_alloc(number(one), 0);
  if (IS("alloc-sleep")) return do_alloc(number(one), 0), sleep(100), 0;
  if (IS("alloc-shared")) return do_alloc(number(one), 1);
  if (IS("alloc-shared-sleep")) return do_alloc(number(one), 1), sleep(100), 0;
  if (IS("fill")) return do_fill(one, number(two));
  if (IS("fill-ignoring-xfsz")) return signal(SIGXFSZ, SIG_IGN), do_fill(one, number(two));
  if (IS("fill-and-alloc-sleep")) return do_fill(one, number(two) << 20) + do_alloc(number(two), 0) + (int)sleep(1);
  if (IS("fill-sleep")) return do_fill(one, number(two)), sleep(1), 0;
  if (IS("inodes")) return do_inodes(one);
  if (IS("list")) return do_list(one);
  if (IS("open")) return do_open(one, two);
  if (IS("descriptors")) return do_descriptors();
  if (IS("capabilities")) return do_capabilities();
  if (IS("identity")) return do_identity();
  if (IS("limits")) return do_limits();
  if (IS("forks")) return do_forks(number(one));
  if (IS("int80")) return do_int80();
  if (IS("exec")) return do_exec(argv + 2);
  if (IS("print")) return do_print(argc - 2, argv + 2, environment);
  if (IS("both")) return do_both();
  if (IS("abstract-listen")) return do_abstract(one, 1);
  if (IS("abstract-connect")) return do_abstract(one, 0);
  if (IS("signal")) return raise((int)number(one)), 0;
  if (IS("wait-interrupt")) return signal(SIGINT, on_interrupt), puts("ready"), fflush(stdout), pause(), 0;
  if (IS("ignore-interrupt")) return signal(SIGINT, SIG_IGN), puts("ready"), fflush(stdout), sleep(100), 0;
  if (IS("ready-sleep")) return puts("ready"), fflush(stdout), sleep(100), 0;
  if (IS("many-calls")) {
    for (long i = number(one); i > 0; --i) syscall(SYS_socket, 2, 1, 0);
    return 0;
  }
  if (IS("exec-memory")) {
    void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return puts(page == MAP_FAILED ? strerrorname_np(errno) : "ok"), 0;
  }
  fprintf(stderr, "payload: what is %s?\n", what);
  return 99;
}
