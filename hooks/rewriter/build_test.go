package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What every end-to-end test needs: the rewriter and the hook runtime's archive, built once, and a build cache of the
// tests' own that begins as a copy of the user's.

var long = flag.Bool("long", false, "also run Go's own test programs and the standard library's tests with hooks")

var built struct {
	directory, rewriter, archive, cache string
}

func TestMain(m *testing.M) {
	if os.Getenv(actAsWrapper) != "" {
		runWithTracer()
	}
	flag.Parse()
	status := 1
	if err := buildTools(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		status = m.Run()
	}
	os.RemoveAll(built.directory)
	os.Exit(status)
}

func buildTools() (err error) {
	if built.directory, err = os.MkdirTemp("", "rewriter-test-"); err != nil {
		return err
	}
	built.rewriter = filepath.Join(built.directory, "rewriter")
	built.archive = filepath.Join(built.directory, "sandboxhook.a")
	built.cache = filepath.Join(built.directory, "cache")
	if output, err := exec.Command("go", "build", "-o", built.rewriter, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("building the rewriter: %s", output)
	}
	command := exec.Command(built.rewriter, "runtime", "--source", filepath.Join("..", "runtime"), "-o", built.archive)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building the hook runtime: %s", output)
	}
	return seedCache(built.cache)
}

// seedCache links the user's cache entries, which never change once written, and copies its index, which does.
func seedCache(to string) error {
	output, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return err
	}
	from := strings.TrimSpace(string(output))
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o777)
		}
		if strings.HasSuffix(path, "-d") && os.Link(path, target) == nil {
			return nil
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // trimmed meanwhile by another go command
		} else if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o666)
	})
}

// ruleText is a rule in rules.json; the test gives what matters to it.
func ruleText(index int, at, advice string, inputs ...string) string {
	list, _ := json.Marshal(append([]string{}, inputs...))
	return fmt.Sprintf(`{"index":%d,"name":"rule-%d","line":%d,"at":%s,"advice":%s,"inputs":%s,"hash":"%016x"}`,
		index, index, 10+index, at, advice, list, index)
}

const recordAll = `{"kind":"record","arguments":["recv","*"],"results":["*"],"duration":true}`

func everything(index int) string {
	return ruleText(index, `{"package":"**"}`, recordAll, "recv", "*")
}

// project is a directory with sources and rules.
type project struct {
	t         testing.TB
	directory string
	rules     string
	env       []string
	// cleanFlags are for the clean build alone. A hooked function is not inlined, which shows in the names of closures
	// and in the entry lines of functions; where that matters, the clean build inlines nothing either.
	cleanFlags []string
}

func newProject(t testing.TB, files map[string]string, rules ...string) *project {
	t.Helper()
	p := &project{t: t, directory: t.TempDir()}
	p.rules = filepath.Join(p.directory, "rules.json")
	p.env = append(os.Environ(), "GOCACHE="+built.cache, "GOFLAGS=-mod=mod", "CGO_ENABLED=0", "GOPROXY=off")
	if _, ok := files["go.mod"]; !ok {
		p.write("go.mod", "module example.com/app\n\ngo 1.25\n")
	}
	for name, text := range files {
		p.write(name, text)
	}
	p.setRules(rules...)
	return p
}

func (p *project) setRules(rules ...string) {
	p.t.Helper()
	p.write("rules.json", `{"version":1,"file":"rules.yaml","rules":[`+strings.Join(rules, ",")+"]}")
}

func (p *project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.directory, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) command(name string, args ...string) *exec.Cmd {
	command := exec.Command(name, args...)
	command.Dir = p.directory
	command.Env = p.env
	return command
}

// plan runs the rewriter's plan and fails the test on an error of the program, not of the rules.
func (p *project) plan(packages ...string) *plan {
	p.t.Helper()
	out := filepath.Join(p.directory, "plan.json")
	args := append([]string{"plan", "--rules", p.rules, "-o", out}, packages...)
	if output, err := p.command(built.rewriter, args...).CombinedOutput(); err != nil {
		p.t.Fatalf("plan: %s", output)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		p.t.Fatal(err)
	}
	made := &plan{}
	if err := json.Unmarshal(data, made); err != nil {
		p.t.Fatal(err)
	}
	return made
}

// hookFlags are what turns a go command into one that builds with hooks.
func (p *project) hookFlags(made *plan) []string {
	flags := []string{"-toolexec", built.rewriter + " toolexec --rules " + p.rules + " --runtime " + built.archive}
	for _, planned := range made.Packages {
		flags = append(flags, "-gcflags="+planned.Path+"="+hookFlag+planned.Hash)
	}
	return flags
}

// build makes two programs of the same source: a clean one and a hooked one.
func (p *project) build(packages string, flags ...string) (clean, hooked string) {
	p.t.Helper()
	clean, hooked = filepath.Join(p.directory, "clean"), filepath.Join(p.directory, "hooked")
	args := append([]string{"build", "-o", clean}, append(flags, p.cleanFlags...)...)
	if output, err := p.command("go", append(args, packages)...).CombinedOutput(); err != nil {
		p.t.Fatalf("clean build: %s", output)
	}
	if output, err := p.buildHooked(hooked, packages, flags...); err != nil || output != "" {
		p.t.Fatalf("hooked build: %v\n%s", err, output)
	}
	return clean, hooked
}

func (p *project) buildHooked(out, packages string, flags ...string) (string, error) {
	p.t.Helper()
	args := append([]string{"build", "-o", out}, flags...)
	args = append(append(args, p.hookFlags(p.plan(packages))...), packages)
	output, err := p.command("go", args...).CombinedOutput()
	return string(output), err
}

// result is what one sees of a program's run.
type result struct {
	stdout, stderr string
	status         int
}

func (p *project) run(program string, tr *tracer, args ...string) result {
	p.t.Helper()
	command := p.command(program, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if tr != nil {
		tr.attach(command)
	}
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

// same runs a clean and a hooked program, the latter dormant and active, and wants no difference; it answers the
// events of the active run.
func (p *project) same(clean, hooked string, args ...string) []string {
	p.t.Helper()
	want := p.run(clean, nil, args...)
	if got := p.run(hooked, nil, args...); normalized(got) != normalized(want) {
		p.t.Errorf("dormant: got\n%+v\nwant\n%+v", got, want)
	}
	tr := newTracer(p.t, true)
	defer tr.close()
	if got := p.run(hooked, tr, args...); normalized(got) != normalized(want) {
		p.t.Errorf("active: got\n%+v\nwant\n%+v", got, want)
	}
	return tr.events(p.t, hooked)
}
