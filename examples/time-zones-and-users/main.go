// Time-zones-and-users looks at the little of a system that Go programs expect to find:
//
//	./sandbox-run run examples/time-zones-and-users
//
// One sees a time in two zones and in the local one (UTC), the user "sandbox" with home /tmp, the host name, the working
// directory, and that neither the host's files nor its environment are there; exit 0. With --env TZ=Asia/Tokyo the local
// time is that zone's.
package main

import (
	"fmt"
	"os"
	"os/user"
	"time"
)

func main() {
	noon := time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"America/New_York", "Asia/Kolkata"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			fmt.Println("no zone:", err)
			os.Exit(1)
		}
		fmt.Println(noon.In(zone).Format("15:04 MST"), name)
	}
	fmt.Println(noon.Local().Format("15:04 MST"), "local")
	me, err := user.Current()
	if err != nil {
		fmt.Println("no user:", err)
		os.Exit(1)
	}
	host, _ := os.Hostname()
	here, _ := os.Getwd()
	fmt.Printf("user %s, uid %s, home %s, host %s, working in %s\n", me.Username, me.Uid, me.HomeDir, host, here)
	if _, err := os.Stat("/proc/self"); err != nil {
		fmt.Println("no /proc")
	}
	if _, err := os.Stat("/bin/sh"); err != nil {
		fmt.Println("no shell")
	}
	fmt.Printf("PATH=%q TMPDIR=%q\n", os.Getenv("PATH"), os.Getenv("TMPDIR"))
}
