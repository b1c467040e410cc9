// Opens-a-socket tries to reach the network in three ways:
//
//	./sandbox-run run examples/opens-a-socket
//
// One sees each of them refused by the same call ("socket: operation not permitted"), then "no way out"; exit 0. The
// report's `denied` counts the calls. With --on-denied kill the first one ends the run: exit code 159.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

func main() {
	// 192.0.2.0/24 is set aside for documentation (RFC 5737).
	for _, way := range [][2]string{{"tcp", "192.0.2.1:80"}, {"udp", "192.0.2.1:53"}, {"unix", "/run/host.sock"}} {
		_, err := net.Dial(way[0], way[1])
		if err == nil || !errors.Is(err, syscall.EPERM) {
			fmt.Println("unexpected:", err)
			os.Exit(1)
		}
		fmt.Println(way[0]+":", "socket: operation not permitted")
	}
	fmt.Println("no way out")
}
