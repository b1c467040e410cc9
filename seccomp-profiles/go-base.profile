# go-base: what every CGO-free Go 1.25-1.27 program needs of the kernel, and why. To be included.

# Memory. W^X: nothing is ever mapped or made executable after the start; the kernel itself maps the program at exec.
allow mmap        prot within PROT_READ+PROT_WRITE & flags within MAP_SHARED+MAP_PRIVATE+MAP_FIXED+MAP_ANONYMOUS+MAP_NORESERVE  # runtime sysReserve, sysAlloc, sysMap; syscall.Mmap. No huge, locked, growing or low mappings
allow mmap        prot==PROT_READ+PROT_WRITE & flags==MAP_DROPPABLE+MAP_ANONYMOUS  # state of the vDSO's getrandom, Linux 6.11+
allow mprotect    prot within PROT_READ+PROT_WRITE                    # syscall.Mprotect; runtime secret and debug modes
allow munmap                                                          # runtime sysFree, stacks of dead threads
allow madvise     advice=={MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE}  # runtime mem_linux.go: the scavenger and huge pages
allow madvise     advice=={MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED}  # syscall.Madvise on mapped files
quiet prctl EINVAL option==PR_SET_VMA                                 # runtime names its mappings since 1.25; optional

# Threads and scheduling. A thread, never a process: only the flag words of runtime newosproc, all 64 bits of them.
allow clone       flags=={CLONE_VM+CLONE_FS+CLONE_FILES+CLONE_SIGHAND+CLONE_SYSVSEM+CLONE_THREAD+CLONE_SETTLS, CLONE_VM+CLONE_FS+CLONE_FILES+CLONE_SIGHAND+CLONE_SYSVSEM+CLONE_THREAD}  # runtime newosproc (0xd0f00), newosproc0 (0x50f00)
quiet clone3 ENOSYS                                                   # its flags lie behind a pointer, out of a filter's sight; syscall.forkExec then uses clone
allow futex       op=={FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE}        # runtime futexsleep, futexwakeup; no PI, no requeue
allow arch_prctl  code==ARCH_SET_FS                                   # runtime settls of the first thread
allow sched_getaffinity pid==0                                        # runtime getCPUCount
allow sched_yield                                                     # runtime osyield
allow nanosleep                                                       # runtime usleep
allow restart_syscall                                                 # the kernel resumes a sleep with it after a stop
allow exit                                                            # runtime exitThread
allow exit_group                                                      # runtime exit
allow getpid                                                          # runtime raise; os.Getpid
allow gettid                                                          # runtime minit

# Signals.
allow rt_sigaction                                                    # runtime initsig, os/signal
allow rt_sigprocmask                                                  # runtime sigprocmask around thread creation
allow rt_sigreturn                                                    # end of every signal handler
allow sigaltstack                                                     # runtime minitSignalStack
allow setitimer   which==ITIMER_PROF                                  # runtime/pprof CPU profiles
quiet timer_create ENOSYS                                             # runtime/pprof per-thread timers; it falls back to setitimer

# Time, randomness, identity.
allow clock_gettime                                                   # time.Now where the vDSO has no fast clock
allow gettimeofday                                                    # syscall.Gettimeofday, likewise
allow getrandom                                                       # crypto/rand, maps' seeds
allow uname                                                           # os.Hostname, kernel version checks
allow getuid                                                          # os.Getuid, os/user
allow geteuid                                                         # os.Geteuid
allow getgid                                                          # os.Getgid
allow getegid                                                         # os.Getegid
allow getppid                                                         # os.Getppid
allow getpgid                                                         # syscall.Getpgid, Getpgrp
allow getrusage                                                       # syscall.Getrusage: CPU time of oneself
quiet getgroups EPERM                                                 # os.Getgroups: the sandbox has no further groups to name
quiet sysinfo EPERM                                                   # libraries ask how much memory there is: the host's is not theirs to know
quiet umask EPERM                                                     # syscall.Umask: it stays 022
allow prlimit64   pid==0 & new_limit==0                               # syscall.Getrlimit of oneself
allow prlimit64   pid==0 & resource==RLIMIT_NOFILE & new_limit!=0     # os: raises the soft limit of open files at start

# Descriptors.
allow read                                                            # os.File.Read
allow write                                                           # os.File.Write
allow close                                                           # os.File.Close
allow pread64                                                         # os.File.ReadAt
allow pwrite64                                                        # os.File.WriteAt
allow lseek                                                           # os.File.Seek
allow dup                                                             # syscall.Dup
allow dup2                                                            # syscall.Dup2: programs redirect their own stdout
allow dup3                                                            # syscall.Dup3
allow pipe2       flags within O_CLOEXEC+O_NONBLOCK                   # os.Pipe; no O_DIRECT, no notification pipe
allow eventfd2                                                        # runtime netpoll wake-up
allow epoll_create1                                                   # runtime netpollinit
allow epoll_ctl                                                       # runtime netpollopen
allow epoll_pwait                                                     # runtime netpoll
allow fcntl       cmd=={F_GETFD, F_SETFD, F_GETFL}                    # os.NewFile, checkfds, syscall.CloseOnExec
allow fcntl       cmd=={F_DUPFD, F_DUPFD_CLOEXEC}                     # os.File.Fd, net dup
allow fcntl       cmd==F_SETFL & arg within O_ACCMODE+O_APPEND+O_NONBLOCK+O_DSYNC+O_SYNC+O_LARGEFILE+O_DIRECTORY+O_NOFOLLOW  # syscall.SetNonblock writes back what F_GETFL gave; no O_ASYNC, O_DIRECT
quiet ioctl ENOTTY request=={TCGETS, TCGETS2, TIOCGWINSZ}             # "is it a terminal?" of x/term and friends: never one here

# Files. The tree decides what can be reached; these only never make a setuid file, a device or another's file.
allow openat      flags within O_ACCMODE+O_CREAT+O_EXCL+O_NOCTTY+O_TRUNC+O_APPEND+O_NONBLOCK+O_DSYNC+O_SYNC+O_LARGEFILE+O_DIRECTORY+O_NOFOLLOW+O_CLOEXEC+O_PATH & mode within 0777  # os.OpenFile, os.Root
allow fstat                                                           # os.File.Stat
allow newfstatat                                                      # os.Stat, os.Lstat
allow faccessat                                                       # syscall.Access
allow faccessat2                                                      # unix.Eaccess of exec.LookPath
allow readlinkat                                                      # os.Readlink, filepath.EvalSymlinks
allow getdents64                                                      # os.ReadDir
allow getcwd                                                          # os.Getwd
allow chdir                                                           # os.Chdir
allow fchdir                                                          # os.File.Chdir
allow mkdirat     mode within 0777                                    # os.Mkdir
allow unlinkat                                                        # os.Remove
allow renameat                                                        # os.Rename
allow linkat      olddirfd!=0 & flags==0                              # os.Link, os.Root.Link; descriptor 0 is stdin and no directory
allow symlinkat   newdirfd!=0                                         # os.Symlink, os.Root.Symlink; likewise
allow utimensat   dirfd==AT_FDCWD                                     # os.Chtimes
allow utimensat   flags==AT_SYMLINK_NOFOLLOW & dirfd!=0               # os.Root.Chtimes
allow fchmodat    dirfd==AT_FDCWD & mode within 0777                  # os.Chmod; no setuid, setgid or sticky bit
allow fchmodat2   mode within 0777 & flags==AT_SYMLINK_NOFOLLOW       # os.Root.Chmod
allow fchmod      fd!=0 & mode within 0777                            # os.File.Chmod
allow truncate    path!=0                                             # os.Truncate
allow ftruncate                                                       # os.File.Truncate
quiet fsync OK                                                        # os.File.Sync: scratch is memory, and a disk's cache is the host's to flush
quiet fdatasync OK                                                    # syscall.Fdatasync: likewise
quiet copy_file_range ENOSYS                                          # io.Copy between files tries it and then reads and writes
