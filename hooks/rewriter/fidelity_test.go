package main

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a hooked build must leave as it is, beyond how the program behaves.

func (p *project) mustRun(name string, args ...string) string {
	p.t.Helper()
	output, err := p.command(name, args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return string(output)
}

func ownPackages(index int) string {
	return ruleText(index, `{"any_of":[{"package":"example.com/**"},{"package":"command-line-arguments"}]}`, recordAll, "recv", "*")
}

func TestCompileErrorsAreThoseOfACleanBuild(t *testing.T) {
	for name, source := range map[string]string{
		"a type error behind an insertion": "func f(int) error { return 1 }",
		"a return without values":          "func f() int { return }",
		"a missing return":                 "func f(_ int) (int, error) { }",
		"an unused variable":               "func f() error { x := 1; return nil }",
		"a syntax error":                   "func f() error { return nil",
		"an unused import":                 "import \"os\"; func f() {}",
		"an error under a line directive":  "//line other.y:7\nfunc f(int) error { return \"x\" }",
		"an unused label":                  "func f(int) { L: for { break } }",
		"a jump over a variable":           "func f(int) { goto end; x := 1; _ = x; end: }",
		"a parameter used as a type":       "func f(x int) (int) { var y x; return y }",
	} {
		p := newProject(t, map[string]string{"main.go": "package main\n\n" + source + "\n\nfunc main() { f() }\n"},
			ownPackages(0))
		clean, cleanErr := p.command("go", "build", "-o", os.DevNull, ".").CombinedOutput()
		hooked, err := p.command("go", append(append([]string{"build", "-o", os.DevNull}, p.hookFlags(&plan{
			Packages: []plannedPackage{{Path: "example.com/app", Hash: "1"}}})...), ".")...).CombinedOutput()
		if string(hooked) != string(clean) || err == nil || cleanErr == nil {
			t.Errorf("%s:\ngot  %s\nwant %s", name, hooked, clean)
		}
	}
}

func TestTheBuildInformationIsThatOfACleanBuild(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": "package main\n\nfunc main() {}\n"}, ownPackages(0))
	clean, hooked := p.build(".", "-tags=one,two")
	_, want, _ := strings.Cut(p.mustRun("go", "version", "-m", clean), "\n")
	_, got, _ := strings.Cut(p.mustRun("go", "version", "-m", hooked), "\n")
	if got != want || !strings.Contains(want, "-tags=one,two") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatIsLinkedAndEachPackagesPartAreAddedToAPlan(t *testing.T) {
	p := newProject(t, map[string]string{
		"main.go":        "package main\n\nimport \"example.com/app/inner\"\n\nfunc main() { inner.F() }\n",
		"inner/inner.go": "package inner\n\nimport _ \"strings\"\n\nfunc F() {}\n",
	}, ruleText(0, `{"function":"example.com/app/inner.F"}`, recordAll, "recv", "*"))
	file := filepath.Join(p.directory, "parts")
	p.write("parts", "")
	flags := []string{"build", "-o", os.DevNull, "-toolexec", built.rewriter + " toolexec --rules " + p.rules +
		" --runtime " + built.archive + " --plan " + file, "-gcflags=all=" + hookFlag + "1", "-gcflags=std="}
	p.mustRun("go", append(flags, ".")...)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var sites []int
	var linked []string
	for line := range strings.Lines(string(data)) {
		part := &plan{}
		if err := json.Unmarshal([]byte(line), part); err != nil {
			t.Fatal(err)
		}
		for _, rule := range part.Rules {
			sites = append(sites, rule.Sites)
		}
		linked = append(linked, part.Linked...)
	}
	if slices.Sort(sites); !slices.Equal(sites, []int{0, 1}) {
		t.Errorf("the parts' sites are %v", sites)
	}
	if !slices.Contains(linked, "example.com/app/inner") || !slices.Contains(linked, "strings") {
		t.Errorf("linked are %v", linked)
	}
}

func TestCoverageProfilesAreThoseOfACleanBuild(t *testing.T) {
	files := tortureFiles(t)
	// Go's own cover tool cannot read a file with a byte order mark.
	files["inner/marked.go"] = strings.TrimPrefix(files["inner/marked.go"], "\ufeff")
	p := newProject(t, files, ownPackages(0))
	clean, hooked := p.build(".", "-cover")
	profile := func(program string) string {
		data := filepath.Join(p.directory, filepath.Base(program)+".data")
		if err := os.Mkdir(data, 0o777); err != nil {
			t.Fatal(err)
		}
		p.env = append(p.env, "GOCOVERDIR="+data)
		p.run(program, nil)
		text := p.mustRun("go", "tool", "covdata", "textfmt", "-i", data, "-o", "/dev/stdout")
		lines := strings.Split(text, "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	want, got := profile(clean), profile(hooked)
	if got != want || strings.Count(want, "main.go:") < 50 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, s := range builtSites(t, hooked) {
		if !strings.HasPrefix(s.file, p.directory) && s.file != "other.y" && s.file != "third.y" &&
			s.file != "/absolute/fourth.y" && s.file != "crlf.y" && s.file != "" {
			t.Errorf("a site names a generated file: %s", s.file)
		}
	}
}

func TestAProfileGuidedBuildIsHooked(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"main.go": `package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

func work(n int) (sum int) {
	for i := range n {
		sum += step(i)
	}
	return sum
}

func step(i int) int { return i % 7 }

func main() {
	if len(os.Args) > 1 {
		f, _ := os.Create(os.Args[1])
		pprof.StartCPUProfile(f)
		defer pprof.StopCPUProfile()
		work(100_000_000)
	}
	fmt.Println(work(10))
}
`}, ownPackages(0))
	clean, _ := p.build(".")
	p.mustRun(clean, filepath.Join(p.directory, "default.pgo"))
	clean, hooked := p.build(".", "-pgo=default.pgo")
	eventsContain(t, p.same(clean, hooked), "enter main.work 1=10", "exit main.work 128=24")
}

func TestAPackageThatDoesNotCompileHookedIsBuiltCleanAndReported(t *testing.T) {
	// Inferring type arguments takes Go 1.18; this module asks for an older language.
	p := newProject(t, map[string]string{"go.mod": "module example.com/app\n\ngo 1.17\n", "main.go": `package main

import "fmt"

type point struct{ x, y int }

func main() { p := point{1, 1}; fmt.Println(p.x, p.y) }
`}, ruleText(0, `{"literal":"main.point"}`, `{"kind":"record"}`))
	program := filepath.Join(p.directory, "hooked")
	for _, when := range []string{"at first", "from the cache"} {
		output, err := p.buildHooked(program, ".")
		if err != nil || strings.Count(output, "sandbox-run-hook: unhooked example.com/app: ") != 1 ||
			!strings.Contains(output, "go1.18") {
			t.Errorf("%s: %v: %s", when, err, output)
		}
	}
	if got := p.run(program, nil); got.stdout != "1 1\n" {
		t.Errorf("%+v", got)
	}
}

func TestToolsThatNeedNothingArePassedThrough(t *testing.T) {
	p := newProject(t, nil)
	script := "#!/bin/sh\necho \"$0 $*\"\nexit 7\n"
	for _, name := range []string{"compile", "asm", "vet"} {
		path := filepath.Join(p.directory, name)
		if err := os.WriteFile(path, []byte(script), 0o777); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"-V=full"}, {"-o", "x", "-sandbox-hook=1", "-V=full"}, {"-p", "main", "a b", ""}} {
			command := p.command(built.rewriter, append([]string{"toolexec", "--rules", "none", "--runtime=none", path}, args...)...)
			output, _ := command.CombinedOutput()
			if want := path + " " + strings.Join(args, " ") + "\n"; string(output) != want || command.ProcessState.ExitCode() != 7 {
				t.Errorf("%s: got %q, status %d", want, output, command.ProcessState.ExitCode())
			}
		}
	}
	if want := p.mustRun("go", "tool", "compile", "-V=full"); p.mustRun(built.rewriter, "toolexec", "--rules", "x", "--runtime", "x",
		filepath.Join(goroot(), "pkg/tool/linux_amd64/compile"), "-V=full") != want {
		t.Errorf("the compiler's identity changes")
	}
}

// compilations are the packages a verbose build compiles.
func (p *project) compilations(args ...string) []string {
	p.t.Helper()
	output, err := p.command("go", append([]string{"build", "-v", "-o", os.DevNull}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s", output)
	}
	list := strings.Fields(string(output))
	slices.Sort(list)
	return list
}

func TestOnlyTouchedPackagesAndTheirImportersAreCompiledAnew(t *testing.T) {
	p := newProject(t, map[string]string{
		"main.go":     "package main\n\nimport _ \"example.com/app/middle\"\nimport _ \"example.com/app/side\"\n\nfunc main() {}\n",
		"middle/m.go": "package middle\n\nimport _ \"example.com/app/bottom\"\n",
		"bottom/b.go": "package bottom\n\nfunc F(int) {}\n",
		"side/s.go":   "package side\n\nimport \"os\"\n\nvar F = os.Open\n",
	}, ruleText(0, `{"function":"example.com/app/bottom.F"}`, `{"kind":"count"}`))
	p.compilations(".")
	flags := append(p.hookFlags(p.plan(".")), ".")
	want := []string{"example.com/app", "example.com/app/bottom", "example.com/app/middle"}
	if got := p.compilations(flags...); !slices.Equal(got, want) {
		t.Errorf("hooked: compiled %v, want %v", got, want)
	}
	if got := p.compilations(flags...); len(got) != 0 {
		t.Errorf("hooked again: compiled %v", got)
	}
	if got := p.compilations("."); len(got) != 0 {
		t.Errorf("clean again: compiled %v", got)
	}
}

func TestAHookedArchiveDoesNotDependOnWhereItWasBuilt(t *testing.T) {
	var sums [2][32]byte
	for i := range sums {
		p := newProject(t, tortureFiles(t), ownPackages(0))
		program := filepath.Join(p.directory, "hooked")
		if output, err := p.buildHooked(program, ".", "-trimpath", "-buildvcs=false", "-ldflags=-buildid="); err != nil {
			t.Fatalf("%s", output)
		}
		data, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(data)
		if strings.Contains(string(data), "sandbox-hook/") {
			t.Error("the program names a temporary file")
		}
	}
	if sums[0] != sums[1] {
		t.Error("two builds differ")
	}
}

func TestTestsOfAHookedPackageRun(t *testing.T) {
	p := newProject(t, map[string]string{
		"a.go": "package app\n\nfunc Double(n int) int { return 2 * n }\n",
		"a_test.go": `package app

import "testing"

func TestDouble(t *testing.T) {
	if Double(2) != 4 {
		t.Fail()
	}
}

func TestFails(t *testing.T) { t.Error("on line 11") }
`,
		"b_test.go": "package app_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/app\"\n)\n\n" +
			"func TestOutside(t *testing.T) { t.Log(app.Double(3)); t.Error(\"on line 9\") }\n",
	}, ownPackages(0))
	flags := append([]string{"test", "-count=1"}, p.hookFlags(p.plan("-test", "."))...)
	output, err := p.command("go", append(flags, ".")...).CombinedOutput()
	text := string(output)
	if err == nil || !strings.Contains(text, "a_test.go:11: on line 11") || !strings.Contains(text, "b_test.go:9: on line 9") ||
		strings.Contains(text, "FAIL: TestDouble") || strings.Contains(text, "unhooked") {
		t.Errorf("%v: %s", err, text)
	}
}

// A package that is compiled anew for a test has another name in go list, but is the same package.
func TestNothingOfTheRuntimeIsHookedForItsOwnTestsEither(t *testing.T) {
	p := newProject(t, nil, everything(0))
	made := p.plan("-test", "runtime", "internal/abi")
	if len(made.Packages) < 30 {
		t.Errorf("only %d packages are hooked", len(made.Packages))
	}
	listed, err := goList("runtime")
	if err != nil {
		t.Fatal(err)
	}
	untouched := runtimeDependencies(listed)
	for _, planned := range made.Packages {
		if untouched[planned.Path] || strings.HasPrefix(planned.Path, "runtime/") {
			t.Errorf("%s is hooked", planned.Path)
		}
	}
}
