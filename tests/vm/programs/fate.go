// fate meets the end it is told to: what the emulated machine runs inside the walls.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	amount := 0
	if len(os.Args) > 2 {
		amount, _ = strconv.Atoi(os.Args[2])
	}
	switch os.Args[1] {
	case "hello":
		fmt.Println("hello from inside")
	case "exit":
		os.Exit(amount)
	case "memory": // MiB, all of it touched and kept
		kept := make([][]byte, 0, amount)
		for range amount {
			block := make([]byte, 1<<20)
			for at := 0; at < len(block); at += 4096 {
				block[at] = 1
			}
			kept = append(kept, block)
		}
		fmt.Println("kept", len(kept))
	case "cpu": // milliseconds of processor time
		var usage syscall.Rusage
		for usage.Utime.Sec*1000+usage.Utime.Usec/1000 < int64(amount) {
			for i := 0; i < 100000; i++ {
				runtime.KeepAlive(i)
			}
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	case "sleep": // milliseconds
		fmt.Println("ready")
		time.Sleep(time.Duration(amount) * time.Millisecond)
	case "threads": // that many at once
		var all sync.WaitGroup
		all.Add(amount)
		for range amount {
			go func() {
				runtime.LockOSThread()
				all.Done()
				all.Wait()
			}()
		}
		all.Wait()
		fmt.Println("all there")
	case "output": // KiB
		line := strings.Repeat("x", 1023) + "\n"
		for range amount {
			fmt.Print(line)
		}
	case "socket":
		if _, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0); err != nil {
			fmt.Println("socket:", err)
			os.Exit(1)
		}
		fmt.Println("socket made")
	default:
		os.Exit(64)
	}
}
