# go-run-loopback: go-run with TCP and UDP over the loopback of its own network namespace (--net loopback).
include go-run

allow socket      domain=={AF_INET, AF_INET6} & type=={SOCK_STREAM+SOCK_NONBLOCK+SOCK_CLOEXEC} & protocol=={0, IPPROTO_TCP}  # net sysSocket, ipStackCapabilities
allow socket      domain=={AF_INET, AF_INET6} & type=={SOCK_DGRAM+SOCK_NONBLOCK+SOCK_CLOEXEC} & protocol=={0, IPPROTO_UDP}  # net: UDP, source address selection
quiet socket EPROTONOSUPPORT type=={SOCK_STREAM+SOCK_NONBLOCK+SOCK_CLOEXEC} & protocol==IPPROTO_MPTCP  # net listens with MPTCP where it can; plain TCP otherwise
allow bind                                                            # net.Listen
allow listen                                                          # net.Listen
allow accept4     flags==SOCK_NONBLOCK+SOCK_CLOEXEC                   # net.Listener.Accept
allow connect                                                         # net.Dial
allow shutdown                                                        # net.TCPConn.CloseWrite
allow getsockname                                                     # net: local address
allow getpeername                                                     # net: remote address
allow getsockopt  level==SOL_SOCKET & optname=={SO_ERROR, SO_TYPE}    # net: result of a connect, net.FileConn
allow setsockopt  level==SOL_SOCKET & optname=={SO_REUSEADDR, SO_BROADCAST, SO_KEEPALIVE, SO_LINGER, SO_SNDBUF, SO_RCVBUF}  # net defaults and setters
allow setsockopt  level==IPPROTO_TCP & optname=={TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT}  # net defaults; never TCP_ULP (kTLS)
allow setsockopt  level==IPPROTO_IPV6 & optname==IPV6_V6ONLY          # net.Listen on both families
allow sendto      flags==0                                            # net.UDPConn.WriteTo
allow sendmsg     flags==0                                            # net.UDPConn.WriteMsgUDP
allow recvfrom    flags==0                                            # net.UDPConn.ReadFrom
allow recvmsg     flags=={0, MSG_CMSG_CLOEXEC}                        # net.UDPConn.ReadMsgUDP
allow writev                                                          # net.Buffers
quiet sendfile ENOSYS                                                 # net.TCPConn.ReadFrom tries it for a file and then copies
quiet splice EINVAL                                                   # net.TCPConn.ReadFrom tries it for a socket and then copies
quiet fcntl EPERM cmd==F_SETPIPE_SZ                                   # the pipe of that splice; its size is optional
