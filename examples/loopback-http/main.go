// Loopback-http serves HTTP to itself over 127.0.0.1:
//
//	./sandbox-run run --net loopback examples/loopback-http
//
// One sees "200 OK: served inside the sandbox", then that an address outside cannot be reached; exit 0. The network
// namespace has a loopback device and nothing else. Without --net loopback there are no sockets at all: the program's
// listen fails with "operation not permitted", it exits 1, and the report names the denied call.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println("cannot listen:", err)
		os.Exit(1)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "served inside the sandbox")
	}))
	response, err := http.Get("http://" + listener.Addr().String() + "/")
	if err != nil {
		fmt.Println("cannot get:", err)
		os.Exit(1)
	}
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%s: %s\n", response.Status, body)

	// 192.0.2.0/24 is set aside for documentation (RFC 5737): nobody answers there, and here there is no route to it.
	if _, err := net.DialTimeout("tcp", "192.0.2.1:80", time.Second); err != nil {
		fmt.Println("outside: no connection")
	}
}
