package sandboxhook

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// toolchain runs `go ARGUMENTS`; go test has put the toolchain in use first on PATH.
func toolchain(t *testing.T, directory string, arguments ...string) string {
	t.Helper()
	command := exec.Command("go", arguments...)
	command.Dir = directory
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOTOOLCHAIN=local")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// compileRuntime builds the package as the standard library's would be that hooked code imports: by the compiler itself,
// with nothing to import. It returns the archive and what the compiler says of escapes.
func compileRuntime(t *testing.T, directory string) (archive, messages string) {
	t.Helper()
	source, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(directory, name) }
	archive = path("sandboxhook.a")
	goroot := strings.TrimSpace(toolchain(t, directory, "env", "GOROOT"))
	assembly := []string{"-p", "internal/sandboxhook", "-trimpath", source, "-I", directory,
		"-I", filepath.Join(goroot, "pkg", "include"), "-D", "GOOS_linux", "-D", "GOARCH_amd64"}
	unit := filepath.Join(source, "system_amd64.s")
	os.WriteFile(path("go_asm.h"), nil, 0o600)
	toolchain(t, directory, append(append([]string{"tool", "asm"}, assembly...), "-gensymabis", "-o", path("symabis"), unit)...)
	os.WriteFile(path("importcfg"), []byte("# nothing to import\n"), 0o600)
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	compile := []string{"tool", "compile", "-p", "internal/sandboxhook", "-importcfg", path("importcfg"), "-symabis",
		path("symabis"), "-asmhdr", path("go_asm.h"), "-lang", "go1.25", "-m", "-o", archive}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			compile = append(compile, file)
		}
	}
	messages = toolchain(t, directory, compile...)
	toolchain(t, directory, append(append([]string{"tool", "asm"}, assembly...), "-o", path("system.o"), unit)...)
	toolchain(t, directory, "tool", "pack", "r", archive, path("system.o"))
	return archive, messages
}

func TestArgumentsDoNotEscape(t *testing.T) {
	_, messages := compileRuntime(t, t.TempDir())
	for _, want := range []string{"inputs does not escape", "results does not escape", "frame does not escape"} {
		if !strings.Contains(messages, want) {
			t.Errorf("the compiler does not say %q", want)
		}
	}
	for _, line := range strings.Split(messages, "\n") {
		for _, bad := range []string{"moved to heap", "escapes to heap", "leaking param: frame", "leaking param: inputs",
			"leaking param content: inputs", "leaking param: results", "leaking param content: results"} {
			if strings.Contains(line, bad) {
				t.Error(line)
			}
		}
	}
}

const linkedProgram = `package main

import sandboxhook "internal/sandboxhook"

var site = sandboxhook.Site{Magic: 0x3145544953584253, Kind: 1, Record: 3, Names: "name,n;err"}

//go:noinline
func hooked(name string, n int) (err error) {
	if sandboxhook.Flags[0] != 0 {
		var sandboxF sandboxhook.Frame
		a0, a1 := name, n
		sandboxhook.Enter(&site, &sandboxF, &a0, &a1)
		defer sandboxhook.Exit(&sandboxF, &err)
	}
	return nil
}

var early = hooked("before main", 1) // while packages are initialized

func main() {
	for i := 0; i < 3; i++ {
		hooked("from main", i)
	}
	println("done")
}
`

// linkProgram builds linkedProgram with the compiler and the linker alone, without -checklinkname=0.
func linkProgram(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	path := func(name string) string { return filepath.Join(directory, name) }
	archive, _ := compileRuntime(t, directory)
	os.WriteFile(path("go.mod"), []byte("module m\n\ngo 1.25\n"), 0o600)
	config := toolchain(t, directory, "list", "-export", "-deps", "-f",
		"{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}", "runtime")
	config += fmt.Sprintf("packagefile internal/sandboxhook=%s\n", archive)
	os.WriteFile(path("importcfg.link"), []byte(config), 0o600)
	os.WriteFile(path("main.go"), []byte(linkedProgram), 0o600)
	toolchain(t, directory, "tool", "compile", "-p", "main", "-complete", "-importcfg", path("importcfg.link"), "-o",
		path("main.a"), path("main.go"))
	toolchain(t, directory, "tool", "link", "-importcfg", path("importcfg.link"), "-o", path("program"), path("main.a"))
	return path("program")
}

func TestALinkedProgramFindsItsMemoryFiles(t *testing.T) {
	program := linkProgram(t)
	controlFd, ringFd, s := newMemoryFiles()
	control, ring := os.NewFile(uintptr(controlFd), "control"), os.NewFile(uintptr(ringFd), "ring")
	defer control.Close()
	defer ring.Close()
	s.begin()
	s.publish()
	run := func(files ...*os.File) {
		t.Helper()
		command := exec.Command(program)
		command.ExtraFiles = files
		if output, err := command.CombinedOutput(); err != nil || string(output) != "done\n" {
			t.Errorf("the program ended with %v: %s", err, output)
		}
	}
	run(control, ring)
	if n := len(s.drain()); n != 0 {
		t.Errorf("%d events of a rule that is off", n)
	}
	s.flag(0, 1)
	run(control, ring)
	events := s.drain()
	if len(events) != 8 || events[0].values[0] != "before main" || events[2].values[0] != "from main" {
		t.Fatalf("%d events: %v", len(events), events)
	}
	if events[0].goroutine != 1 {
		t.Errorf("main's goroutine is %d", events[0].goroutine)
	}

	empty, err := os.Create(filepath.Join(t.TempDir(), "empty"))
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	// What is not ours is left alone, and the program runs as if it had no hooks.
	run()
	run(control)
	run(empty, ring)
	run(reader, writer)
	run(control, empty)
	run(ring, control)
	if n := len(s.drain()); n != 0 {
		t.Errorf("%d events without both files", n)
	}
}

func TestFilesThatAreNotOursAreRefused(t *testing.T) {
	for what, spoil := range map[string]func(s *supervisor){
		"control magic":    func(s *supervisor) { s.control[0] ^= 1 },
		"control version":  func(s *supervisor) { s.control[8] = 2 },
		"control size":     func(s *supervisor) { s.control[18] = 0xff },
		"rule count":       func(s *supervisor) { s.control[14] = 1 },
		"ring magic":       func(s *supervisor) { s.ring[7] ^= 1 },
		"ring version":     func(s *supervisor) { s.ring[8] = 0 },
		"slot size":        func(s *supervisor) { s.ring[12] = 1 },
		"slot count":       func(s *supervisor) { s.ring[16] = 3 },
		"a ring too short": func(s *supervisor) { s.ring[18] = 0x10 },
		"no counters":      func(s *supervisor) { s.ring[20] = 0 },
	} {
		controlFd, ringFd, s := newMemoryFiles()
		control, ring := os.NewFile(uintptr(controlFd), "control"), os.NewFile(uintptr(ringFd), "ring")
		spoil(s)
		flags := Flags
		if attach(control.Fd(), ring.Fd()) {
			t.Errorf("%s: taken", what)
		}
		if Flags != flags {
			t.Errorf("%s: the flags moved", what)
		}
		if err := control.Close(); err != nil { // still open, and still ours to close
			t.Errorf("%s: %v", what, err)
		}
		if err := ring.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
