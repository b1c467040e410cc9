// Everyday: what ordinary Go programs do, one step after another. Under a profile that fits, nothing of it is denied
// and every step works; it prints "everyday: ok". With the argument "loopback" it also talks to itself over TCP and UDP.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

// scratch is removed however the program ends: os.Exit runs no deferred call.
var scratch string

func check(step string, err error) {
	if err != nil {
		fmt.Printf("everyday: %s: %v\n", step, err)
		os.Chdir("/")
		os.RemoveAll(scratch)
		os.Exit(1)
	}
}

func main() {
	dir, err := os.MkdirTemp("", "everyday")
	check("temp dir", err)
	scratch = dir
	check("chdir", os.Chdir(dir))
	files()
	root(dir)
	goroutines()
	memory()
	signals()
	profiles()
	surroundings()
	mappedFile()
	if len(os.Args) > 1 && os.Args[1] == "loopback" {
		tcp()
		udp()
		web()
	}
	os.Chdir("/")
	check("remove all", os.RemoveAll(dir))
	fmt.Println("everyday: ok")
}

func files() {
	check("write", os.WriteFile("a", bytes.Repeat([]byte("x"), 100000), 0o644))
	f, err := os.OpenFile("a", os.O_RDWR|os.O_APPEND|os.O_SYNC, 0)
	check("open", err)
	_, err = f.Seek(10, io.SeekStart)
	check("seek", err)
	_, err = f.ReadAt(make([]byte, 10), 5)
	check("read at", err)
	check("file truncate", f.Truncate(50000))
	check("sync", f.Sync())
	check("file chmod", f.Chmod(0o600))
	_, err = f.Stat()
	check("file stat", err)
	check("deadline is unsupported", func() error {
		if f.SetDeadline(time.Now()) == nil {
			return errors.New("supported")
		}
		return nil
	}())
	f.Fd()
	check("close", f.Close())
	check("truncate", os.Truncate("a", 40000))
	check("chmod", os.Chmod("a", 0o640))
	check("chtimes", os.Chtimes("a", time.Now(), time.Now()))
	check("mkdir all", os.MkdirAll("d/e/f", 0o755))
	check("rename", os.Rename("a", "d/a"))
	check("link", os.Link("d/a", "d/b"))
	check("symlink", os.Symlink("a", "d/c"))
	_, err = os.Readlink("d/c")
	check("readlink", err)
	_, err = os.Lstat("d/c")
	check("lstat", err)
	check("walk", filepath.WalkDir(".", func(string, fs.DirEntry, error) error { return nil }))
	check("copy fs", os.CopyFS("copy", os.DirFS("d/e")))
	in, err := os.Open("d/a")
	check("open to copy", err)
	out, err := os.Create("d/copy")
	check("create copy", err)
	n, err := io.Copy(out, in)
	check("io.Copy", err)
	if n != 40000 {
		check("io.Copy", fmt.Errorf("%d bytes", n))
	}
	pwrite, err := out.WriteAt([]byte("yy"), 3)
	check("write at", err)
	if pwrite != 2 {
		check("write at", errors.New("short"))
	}
	check("dir file", func() error { d, err := os.Open("d"); d.Chdir(); d.Close(); os.Chdir(".."); return err }())
	_, err = os.Getwd()
	check("getwd", err)
	if !os.SameFile(stat("d/a"), stat("d/b")) {
		check("same file", errors.New("not the same"))
	}
	check("remove", os.Remove("d/copy"))
}

func stat(name string) os.FileInfo {
	info, err := os.Stat(name)
	check("stat", err)
	return info
}

func root(dir string) {
	r, err := os.OpenRoot(dir)
	check("open root", err)
	defer r.Close()
	f, err := r.Create("in-root")
	check("root create", err)
	f.Close()
	check("root mkdir", r.Mkdir("rd", 0o755))
	check("root chmod", r.Chmod("in-root", 0o600))
	check("root chtimes", r.Chtimes("in-root", time.Now(), time.Now()))
	check("root link", r.Link("in-root", "linked"))
	check("root symlink", r.Symlink("in-root", "symlinked"))
	_, err = r.Readlink("symlinked")
	check("root readlink", err)
	check("root rename", r.Rename("linked", "renamed"))
	_, err = r.Stat("symlinked")
	check("root stat", err)
	check("root remove all", r.RemoveAll("rd"))
}

func goroutines() {
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for i := range 200 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if i%50 == 0 {
				runtime.LockOSThread() // the thread dies with its goroutine
			}
			time.Sleep(time.Millisecond)
			mu.Lock()
			total += i
			mu.Unlock()
		}()
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	// A loop that never yields is preempted by a signal to its thread.
	done := make(chan bool)
	go func() {
		for end := time.Now().Add(60 * time.Millisecond); time.Now().Before(end); {
			for k := 0; k < 1e7; k++ {
				total ^= k
			}
		}
		close(done)
	}()
	runtime.GC()
	<-done
}

func memory() {
	var keep [][]byte
	for range 64 {
		keep = append(keep, make([]byte, 1<<20))
	}
	for _, b := range keep {
		b[0] = 1
	}
	keep = nil
	runtime.GC()
	debug.FreeOSMemory()
	random := make([]byte, 1<<16)
	_, err := rand.Read(random)
	check("random", err)
}

func signals() {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1, os.Interrupt)
	defer signal.Stop(got)
	check("kill self", syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	<-got
	self, err := os.FindProcess(os.Getpid())
	check("find self", err)
	check("signal self", self.Signal(os.Interrupt))
	<-got
	func() {
		defer func() { recover() }()
		var p *int
		*p = 1
	}()
}

func profiles() {
	var b bytes.Buffer
	check("cpu profile", pprof.StartCPUProfile(&b))
	for end := time.Now().Add(30 * time.Millisecond); time.Now().Before(end); {
	}
	pprof.StopCPUProfile()
	check("heap profile", pprof.WriteHeapProfile(&b))
}

func surroundings() {
	_, err := os.Hostname()
	check("hostname", err)
	user.Current()
	user.LookupId("0")
	time.LoadLocation("Europe/Berlin")
	_ = time.Now().Local().String()
	os.Getppid()
	os.Getuid()
	os.Executable()
	os.UserHomeDir()
	os.Getgroups()
	exec.LookPath("sh")
	if info, err := os.Stdin.Stat(); err == nil {
		_ = info.Mode()&os.ModeCharDevice != 0
	}
	var limit syscall.Rlimit
	check("rlimit", syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	var usage syscall.Rusage
	check("rusage", syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	r, w, err := os.Pipe()
	check("pipe", err)
	go func() { time.Sleep(time.Millisecond); w.Write([]byte("x")); w.Close() }()
	r.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err = io.ReadAll(r)
	check("read pipe", err)
	old := syscall.Umask(0o22)
	syscall.Umask(old)
	saved, err := syscall.Dup(1)
	check("dup", err)
	check("dup2", syscall.Dup2(saved, 1))
	syscall.Close(saved)
}

func mappedFile() {
	f, err := os.OpenFile("mapped", os.O_RDWR|os.O_CREATE, 0o600)
	check("create mapped", err)
	check("size", f.Truncate(8192))
	b, err := syscall.Mmap(int(f.Fd()), 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	check("mmap", err)
	b[0] = 1
	check("madvise", syscall.Madvise(b, syscall.MADV_WILLNEED))
	check("mprotect", syscall.Mprotect(b, syscall.PROT_READ))
	check("munmap", syscall.Munmap(b))
	f.Close()
}

func tcp() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check("listen", err)
	go func() {
		c, err := l.Accept()
		check("accept", err)
		io.Copy(c, c)
		c.(*net.TCPConn).CloseWrite()
		c.Close()
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	check("dial", err)
	check("no delay", c.(*net.TCPConn).SetNoDelay(true))
	check("keep alive", c.(*net.TCPConn).SetKeepAlive(true))
	check("linger", c.(*net.TCPConn).SetLinger(1))
	buffers := net.Buffers{[]byte("he"), []byte("llo")}
	_, err = buffers.WriteTo(c)
	check("buffers", err)
	f, err := os.Open("d/a")
	check("open to send", err)
	_, err = io.Copy(c, f)
	check("send file", err)
	c.(*net.TCPConn).CloseWrite()
	n, err := io.Copy(io.Discard, c)
	check("echo", err)
	if n != 40005 {
		check("echo", fmt.Errorf("%d bytes", n))
	}
	_, err = net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
	if err == nil {
		check("dial a closed port", errors.New("connected"))
	}
	l.Close()
}

func udp() {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	check("listen packet", err)
	c, err := net.Dial("udp", l.LocalAddr().String())
	check("dial udp", err)
	c.Write([]byte("ping"))
	b := make([]byte, 16)
	_, from, err := l.ReadFrom(b)
	check("read from", err)
	_, err = l.WriteTo([]byte("pong"), from)
	check("write to", err)
	_, err = c.Read(b)
	check("read", err)
	_, err = c.Write([]byte("again"))
	check("write udp", err)
	_, _, _, _, err = l.(*net.UDPConn).ReadMsgUDP(b, nil)
	check("read message", err)
}

func web() {
	l, err := net.Listen("tcp", "localhost:0")
	check("listen", err)
	go http.Serve(l, http.FileServer(http.Dir(".")))
	response, err := http.Get("http://" + l.Addr().String() + "/d/a")
	check("get", err)
	body, err := io.ReadAll(response.Body)
	check("body", err)
	if len(body) != 40000 {
		check("body", fmt.Errorf("%d bytes", len(body)))
	}
}
