# go-build: the go command, compiler, assembler and linker of Go 1.25-1.27: go-base, processes, locks; no socket.
include go-base

allow execve                                                          # the go command starts compile, asm and link: static Go files of a read-only tree
allow clone       flags=={CLONE_VFORK+CLONE_VM+SIGCHLD, CLONE_VFORK+CLONE_VM+CLONE_PIDFD+SIGCHLD, CLONE_VFORK+CLONE_VM+CLONE_PIDFD}  # syscall.forkExec without and with a pidfd; os.checkClonePidfd
allow pidfd_open  flags==0                                            # os: a handle on a child
allow pidfd_send_signal info==0 & flags==0                            # os.Process.Kill of a child; no forged siginfo
allow waitid                                                          # os.Process.Wait by pidfd
allow wait4                                                           # os.Process.Wait without pidfd
allow tgkill                                                          # runtime raise, preemption: every tool has its own pid
allow setsid                                                          # the go command starts its telemetry child in a session of its own
allow flock                                                           # cmd/go locks its cache
quiet fallocate EOPNOTSUPP                                            # the linker asks for room ahead of its output; optional
