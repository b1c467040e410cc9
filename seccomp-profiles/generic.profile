# generic: a dynamic ELF of another language (a checker, an interactor): one process with threads, no sockets.

# Memory. W^X: executable pages are private mappings of files, as ld.so makes them, and never change.
allow mmap        prot within PROT_READ+PROT_WRITE & flags within MAP_SHARED+MAP_PRIVATE+MAP_FIXED+MAP_ANONYMOUS+MAP_NORESERVE+MAP_POPULATE+MAP_STACK+MAP_DENYWRITE+MAP_FIXED_NOREPLACE  # malloc, stacks, ld.so, mapped files
allow mmap        prot==PROT_READ+PROT_EXEC & flags=={MAP_PRIVATE+MAP_DENYWRITE, MAP_PRIVATE+MAP_DENYWRITE+MAP_FIXED}  # ld.so maps the text of libraries
allow mmap        prot==PROT_READ+PROT_WRITE & flags==MAP_DROPPABLE+MAP_ANONYMOUS  # state of the vDSO's getrandom, Linux 6.11+
allow mprotect    prot within PROT_READ+PROT_WRITE                    # malloc arenas, RELRO, guard pages
allow munmap                                                          # free
allow mremap      flags within MREMAP_MAYMOVE                         # realloc
allow brk                                                             # malloc
allow madvise     advice=={MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE}  # allocators
quiet prctl EINVAL option==PR_SET_VMA                                 # allocators name their mappings; optional
quiet membarrier ENOSYS                                               # ld.so and runtimes probe it

# Threads and scheduling.
allow clone       flags==CLONE_VM+CLONE_FS+CLONE_FILES+CLONE_SIGHAND+CLONE_THREAD+CLONE_SYSVSEM+CLONE_SETTLS+CLONE_PARENT_SETTID+CLONE_CHILD_CLEARTID  # pthread_create
quiet clone3 ENOSYS                                                   # flags behind a pointer cannot be filtered; glibc then uses clone
allow futex       op=={FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE, FUTEX_WAIT_BITSET_PRIVATE, FUTEX_WAIT_BITSET_PRIVATE+FUTEX_CLOCK_REALTIME, FUTEX_WAIT_BITSET+FUTEX_CLOCK_REALTIME}  # mutexes, condition variables, joins; no PI, no requeue
allow arch_prctl  code==ARCH_SET_FS                                   # thread pointer of the first thread
quiet arch_prctl EINVAL code=={0x3001, 0x3002, 0x5001, 0x5002, 0x5003, 0x5005}  # ld.so asks for CET and shadow stacks
allow set_tid_address                                                 # libc start
allow set_robust_list                                                 # libc start
allow rseq                                                            # libc start
allow sched_getaffinity                                               # number of processors
allow sched_yield                                                     # spin locks
allow getcpu                                                          # malloc arenas
allow nanosleep                                                       # sleep
allow clock_nanosleep                                                 # sleep
allow restart_syscall                                                 # the kernel resumes a sleep with it after a stop
allow exit                                                            # end of a thread
allow exit_group                                                      # end of the process
allow getpid                                                          # libc
allow gettid                                                          # libc

# Signals. The program is process 2 of its namespace, always.
allow rt_sigaction                                                    # signal
allow rt_sigprocmask                                                  # libc around thread creation and abort
allow rt_sigreturn                                                    # end of every signal handler
allow sigaltstack                                                     # runtimes that catch stack overflows
allow kill        pid==2                                              # raise in old libcs
allow tgkill      tgid==2                                             # raise, abort
allow setitimer                                                       # alarms of the program's own
allow alarm                                                           # likewise
allow pause                                                           # waits for a signal
quiet timer_create ENOSYS                                             # not needed, and a frequent door

# Time, randomness, identity.
allow clock_gettime                                                   # where the vDSO has no fast clock
allow clock_getres                                                    # libc, runtimes
allow gettimeofday                                                    # likewise
allow time                                                            # likewise
allow times                                                           # clock
allow getrandom                                                       # seeds, malloc
allow uname                                                           # libc
allow sysinfo                                                         # qsort and runtimes ask how much memory there is
allow getrusage                                                       # CPU time of oneself
allow getuid                                                          # libc
allow geteuid                                                         # libc
allow getgid                                                          # libc
allow getegid                                                         # libc
allow getppid                                                         # libc
allow getpgrp                                                         # libc
quiet getgroups EPERM                                                 # the sandbox has no further groups to name
quiet umask EPERM                                                     # it stays 022
allow prlimit64   pid==0 & new_limit==0                               # limits of oneself, read only
quiet wait4 ECHILD                                                    # what the kernel says of a program without children

# Descriptors.
allow read                                                            # read
allow write                                                           # write
allow readv                                                           # C++ streams
allow writev                                                          # C++ streams, libc messages
allow pread64                                                         # ld.so reads headers
allow pwrite64                                                        # pwrite
allow close                                                           # close
allow lseek                                                           # stdio
allow dup                                                             # redirections of one's own streams
allow dup2                                                            # likewise
allow dup3                                                            # likewise
allow pipe                                                            # between threads
allow pipe2       flags within O_CLOEXEC+O_NONBLOCK                   # likewise
allow poll                                                            # interactors wait on several streams
allow ppoll                                                           # likewise
allow select                                                          # likewise
allow pselect6                                                        # likewise
allow eventfd2                                                        # event loops
allow epoll_create1                                                   # event loops
allow epoll_ctl                                                       # event loops
allow epoll_wait                                                      # event loops
allow epoll_pwait                                                     # event loops
allow fcntl       cmd=={F_GETFD, F_SETFD, F_GETFL, F_DUPFD, F_DUPFD_CLOEXEC}  # stdio, runtimes
allow fcntl       cmd==F_SETFL & arg within O_ACCMODE+O_APPEND+O_NONBLOCK+O_DSYNC+O_SYNC+O_LARGEFILE+O_DIRECTORY+O_NOFOLLOW  # non-blocking streams; no O_ASYNC, O_DIRECT
quiet ioctl ENOTTY request=={TCGETS, TCGETS2, TIOCGWINSZ}             # isatty: never one here
quiet ioctl ENOTTY request=={FIOCLEX, FIONREAD}                       # interpreters use them where fcntl and read do as well

# Files. The tree decides what can be reached; these only never make a setuid file, a device or another's file.
allow openat      flags within O_ACCMODE+O_CREAT+O_EXCL+O_NOCTTY+O_TRUNC+O_APPEND+O_NONBLOCK+O_DSYNC+O_SYNC+O_LARGEFILE+O_DIRECTORY+O_NOFOLLOW+O_CLOEXEC+O_PATH & mode within 0777  # fopen, ld.so
allow open        flags within O_ACCMODE+O_CREAT+O_EXCL+O_NOCTTY+O_TRUNC+O_APPEND+O_NONBLOCK+O_DSYNC+O_SYNC+O_LARGEFILE+O_DIRECTORY+O_NOFOLLOW+O_CLOEXEC+O_PATH & mode within 0777  # other libcs
allow stat                                                            # other libcs
allow lstat                                                           # other libcs
allow fstat                                                           # stdio
allow newfstatat                                                      # stdio
allow statx                                                           # newer libcs
allow access                                                          # ld.so looks for ld.so.preload
allow faccessat                                                       # access
allow faccessat2                                                      # access
allow readlink                                                        # runtimes find themselves
allow readlinkat                                                      # likewise
allow getdents64                                                      # readdir
allow getcwd                                                          # getcwd
allow chdir                                                           # chdir
allow fchdir                                                          # fchdir
allow mkdir       mode within 0777                                    # scratch files
allow mkdirat     mode within 0777                                    # scratch files
allow unlink                                                          # scratch files
allow unlinkat                                                        # scratch files
allow rmdir                                                           # scratch files
allow rename                                                          # scratch files
allow renameat                                                        # scratch files
allow fchmod      fd!=0 & mode within 0777                            # scratch files
allow ftruncate                                                       # scratch files
quiet fsync OK                                                        # scratch is memory, and a disk's cache is the host's to flush
quiet fdatasync OK                                                    # likewise
allow fadvise64                                                       # reading ahead
quiet copy_file_range ENOSYS                                          # copies fall back to read and write
quiet sendfile ENOSYS                                                 # likewise
quiet getxattr EOPNOTSUPP                                             # file tools ask and go on
