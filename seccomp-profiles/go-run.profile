# go-run: a CGO-free Go 1.25-1.27 program, alone: no process, no socket, no signal to another.
include go-base

# The program is process 2 of its namespace, always.
allow kill        pid==2                                              # syscall.Kill of oneself, runtime raiseproc
allow tgkill      tgid==2                                             # runtime raise, preemption by SIGURG
quiet pidfd_open ENOSYS                                               # os checks once whether it works and falls back to kill and wait4
quiet wait4 ECHILD                                                    # what the kernel says of a program without children
quiet waitid ECHILD                                                   # likewise
