package main

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Go's own tests, with everything hooked that may be, and every hook active. What differs from a clean build has a
// reason in testdata/known-differences.txt, or the test fails.

var (
	goTests  = flag.String("go-tests", "", "directory of Go's test programs; default GOROOT/test")
	programs = flag.String("programs", "", "only the test programs whose path matches this regular expression")
	packages = flag.String("packages", strings.Join(standardPackages, ","), "packages of the standard library to test")
	unit     = flag.String("unit", "2", "programs at a time")
)

var standardPackages = []string{"archive/tar", "archive/zip", "bufio", "bytes", "compress/flate", "compress/gzip",
	"container/heap", "container/list", "context", "crypto/sha256", "crypto/tls", "database/sql", "encoding/base64",
	"encoding/binary", "encoding/csv", "encoding/gob", "encoding/json", "encoding/xml", "errors", "expvar", "flag", "fmt",
	"go/ast", "go/parser", "hash/crc32", "html/template", "image/png", "io", "io/fs", "log", "log/slog", "maps", "math",
	"math/big", "mime/multipart", "net", "net/http", "net/http/httptest", "net/mail", "net/netip", "net/textproto",
	"net/url", "os", "os/exec", "os/signal", "path", "path/filepath", "reflect", "regexp", "slices", "sort", "strconv",
	"strings", "sync", "sync/atomic", "syscall", "text/tabwriter", "text/template", "time", "unicode/utf8", "unique"}

const actAsWrapper = "REWRITER_TEST_RUN_WITH_TRACER"

// runWithTracer is this test program as go test's -exec: it puts the two memory files at descriptors 3 and 4 and
// becomes the test.
func runWithTracer() {
	tr := newTracer(fatal{}, true)
	control, err := syscall.Dup(int(tr.control.Fd()))
	if err != nil {
		panic(err)
	}
	for target, from := range map[int]int{100: control, 101: int(tr.ring.Fd())} {
		if err := syscall.Dup3(from, target, 0); err != nil {
			panic(err)
		}
	}
	for target, from := range map[int]int{3: 100, 4: 101} {
		if err := syscall.Dup3(from, target, 0); err != nil {
			panic(err)
		}
		syscall.CloseOnExec(from)
	}
	os.Unsetenv(actAsWrapper)
	panic(syscall.Exec(os.Args[1], os.Args[1:], os.Environ()))
}

// fatal is a testing.TB for a process that is no test.
type fatal struct{ testing.TB }

func (fatal) Helper()           {}
func (fatal) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// differences keeps what differed and checks it against the known ones.
type differences struct {
	t     *testing.T
	mutex sync.Mutex
	kind  string
	found map[string]string
}

func newDifferences(t *testing.T, kind string) *differences {
	return &differences{t: t, kind: kind, found: map[string]string{}}
}

// add says it at once, and check once more at the end unless it is known.
func (d *differences) add(name, how string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.found[name] = how
	d.t.Logf("%s %s: %s", d.kind, name, how)
}

// known reads lines of the form "kind NAME: reason".
func (d *differences) known() map[string]string {
	t := d.t
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "known-differences.txt"))
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, d.kind+" "); ok {
			name, reason, _ := strings.Cut(rest, ": ")
			if reason == "" {
				t.Errorf("known-differences.txt gives no reason: %s", line)
			}
			reasons[name] = reason
		}
	}
	return reasons
}

// packageOf is what stands before a test's name; "PACKAGE.*" is known where one test ends the process of all.
func packageOf(name string) string { return name[:max(0, strings.LastIndexByte(name, '.'))] }

func (d *differences) check() {
	t := d.t
	t.Helper()
	known := d.known()
	for _, name := range slices.Sorted(maps.Keys(d.found)) {
		if known[name] == "" && known[packageOf(name)+".*"] == "" {
			t.Errorf("%s %s differs: %s", d.kind, name, d.found[name])
		}
	}
}

// programResult is one of Go's test programs, clean and hooked.
type programRun struct {
	p      *project
	flags  []string
	found  *differences
	counts map[string]int
	done   int
	mutex  sync.Mutex
}

func TestGoTestPrograms(t *testing.T) {
	if !*long {
		t.Skip("it takes an hour: run with -long")
	}
	root := *goTests
	if root == "" {
		root = filepath.Join(goroot(), "test")
	}
	files := runnablePrograms(t, root)
	if len(files) == 0 {
		t.Fatalf("%s has no test programs; this distribution leaves them out: give -go-tests the test directory of "+
			"Go's repository", root)
	}
	p := newProject(t, nil, everything(0))
	p.env = append(p.env, "GOFLAGS=", "GO111MODULE=off")
	w := &programRun{p: p, found: newDifferences(t, "program"), counts: map[string]int{}}
	made := p.plan("std")
	p.write("empty/main.go", "package main\n\nfunc main() {}\n")
	made.Packages = append(made.Packages, p.plan(filepath.Join(p.directory, "empty", "main.go")).Packages...)
	w.flags = p.hookFlags(made)
	var group sync.WaitGroup
	next := make(chan string)
	workers := 2
	fmt.Sscan(*unit, &workers)
	for range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for path := range next {
				outcome := w.compare(root, path)
				w.count(outcome)
			}
		}()
	}
	for _, path := range files {
		next <- path
	}
	close(next)
	group.Wait()
	t.Logf("%d programs: %v", len(files), w.counts)
	w.found.check()
}

// count says how far it is now and then: an hour is long.
func (w *programRun) count(outcome string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.counts[outcome]++
	if w.done++; w.done%50 == 0 {
		w.p.t.Logf("%d programs so far: %v", w.done, w.counts)
	}
}

var runHeader = regexp.MustCompile(`(?m)^// run\s*$`)

// runnablePrograms are those whose header says `// run` and nothing more.
func runnablePrograms(t *testing.T, root string) []string {
	wanted := regexp.MustCompile(*programs)
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || !wanted.MatchString(path) {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && runHeader.Match(data[:min(len(data), 4096)]) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

const withoutDebugging = "-ldflags=-w" // links in half the time; go test does the same

// compare builds and runs one program clean, hooked and dormant, hooked and active.
func (w *programRun) compare(root, path string) string {
	name, _ := filepath.Rel(root, path)
	directory, err := os.MkdirTemp(w.p.directory, "run-")
	if err != nil {
		return "failed to start"
	}
	defer os.RemoveAll(directory)
	clean, hooked := filepath.Join(directory, "clean"), filepath.Join(directory, "hooked")
	if output, err := w.p.command("go", "build", withoutDebugging, "-o", clean, path).CombinedOutput(); err != nil {
		_ = output
		return "does not build here"
	}
	want := w.runProgram(directory, clean, nil)
	if again := w.runProgram(directory, clean, nil); again != want {
		return "prints something else each time"
	}
	args := append([]string{"build", withoutDebugging, "-o", hooked}, w.flags...)
	output, err := w.p.command("go", append(args, path)...).CombinedOutput()
	if err != nil {
		w.found.add(name, "the hooked build fails: "+string(output))
		return "differ"
	}
	if bytes.Contains(output, []byte("unhooked")) {
		w.found.add(name, "left unhooked: "+string(output))
		return "differ"
	}
	for _, on := range []bool{false, true} {
		tr := newTracer(w.p.t, on)
		got := w.runProgram(directory, hooked, tr)
		tr.close()
		if got != want {
			w.found.add(name, fmt.Sprintf("active=%v\ngot  %.1500s\nwant %.1500s", on, got, want))
			return "differ"
		}
	}
	return "same"
}

var pointers = regexp.MustCompile(`0x[0-9a-f]+|goroutine \d+|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d`)

func (w *programRun) runProgram(directory, program string, tr *tracer) string {
	// A minute of processor time: on a busy machine a minute of the clock proves nothing.
	command := exec.Command("timeout", "-s", "KILL", "900", "sh", "-c", `ulimit -t 60; exec "$0"`, program)
	command.Dir = directory
	command.Env = append(slices.Clone(w.p.env), "GOMAXPROCS=4", "TMPDIR="+directory) // some leave files there
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if tr != nil {
		tr.attach(command)
	}
	if err := command.Start(); err != nil {
		return err.Error()
	}
	command.Wait()
	r := normalized(result{stdout.String(), stderr.String(), command.ProcessState.ExitCode()})
	text := fmt.Sprintf("exit %d\n%s\n%s", r.status, r.stdout, r.stderr)
	return strings.ReplaceAll(pointers.ReplaceAllString(text, "0x…"), program, "PROGRAM")
}

func TestStandardLibrary(t *testing.T) {
	if !*long {
		t.Skip("it takes an hour: run with -long")
	}
	p := newProject(t, nil, everything(0))
	found, totals := newDifferences(t, "std"), map[string]int{}
	c := &comparison{p: p, hooks: p.hookFlags(p.plan("-test", "std")), found: found}
	library := *p
	library.directory = filepath.Join(goroot(), "src")
	c.p = &library
	for _, path := range strings.Split(*packages, ",") {
		begin := time.Now()
		counts := c.run(path)
		t.Logf("%s: %v, %v", path, counts, time.Since(begin).Round(time.Second))
		for outcome, count := range counts {
			totals[outcome] += count
		}
		totals["packages"]++
	}
	t.Logf("%s: %v", runtime.Version(), totals)
	found.check()
}
