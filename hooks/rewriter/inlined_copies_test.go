package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reaches calls what std:files hooks in every way: from the program's own packages, directly and by way of what is
// compiled into them, and from packages of the standard library with copies of hooked functions.
var reaches = map[string]string{
	"main.go": `package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"example.com/app/lib"
)

type embedding struct{ *os.File }

func each[T any](values []T, do func(T) error) (failed int) {
	for _, value := range values {
		if do(value) != nil {
			failed++
		}
	}
	return failed
}

func closed[T io.Closer](what T) error { return what.Close() }

func main() {
	directory, err := os.MkdirTemp("", "reaches")
	if err != nil {
		panic(err)
	}
	name := func(file string) string { return filepath.Join(directory, file) }
	file, _ := os.Create(name("a"))
	fmt.Fprint(file, "text")
	file.WriteAt([]byte("T"), 0)
	embedding{file}.Close()
	file, _ = os.Open(name("a"))
	io.ReadAll(file)
	file.ReadAt(make([]byte, 1), 0)
	finish := file.Close // a method value
	finish()
	(*os.File).Close(file) // a method expression
	closed(file)           // an instance
	var closer io.Closer = file
	closer.Close()
	func() { defer file.Close() }()
	each([]string{name("b"), name("c")}, func(path string) error { return os.Mkdir(path, 0o700) })
	each([]string{name("b")}, os.Remove)
	os.Rename(name("c"), name("d"))
	os.Link(name("a"), name("e"))
	os.Symlink("a", name("f"))
	target, _ := os.Readlink(name("f"))
	os.Chmod(name("a"), 0o600)
	os.Chown(name("a"), -1, -1)
	os.Lchown(name("f"), -1, -1)
	os.Chtimes(name("a"), time.Time{}, time.Time{})
	os.Truncate(name("a"), 1)
	os.Chdir(directory)
	_, err = os.Stat("f")
	_, err2 := os.Lstat("f")
	entries, _ := os.ReadDir(".")
	crashes, _ := os.Create(name("crashes"))
	debug.SetCrashOutput(crashes, debug.CrashOptions{}) // nothing of runtime/... is hooked, but it may have copies
	debug.SetCrashOutput(nil, debug.CrashOptions{})
	crashes.Close()
	root, _ := os.OpenRoot(".")
	root.Mkdir("g", 0o700)
	root.Close()
	if inside, err := os.OpenInRoot(".", "a"); err == nil {
		inside.Close()
	}
	fmt.Println(target, err, err2, len(entries), lib.Touch("h"), lib.Size("h"))

	walked := 0
	filepath.WalkDir(".", func(string, fs.DirEntry, error) error { walked++; return nil })
	real, err := filepath.EvalSymlinks("f")
	matches, _ := filepath.Glob("*")
	fmt.Println(walked, real, err, matches)
	port, err := net.LookupPort("tcp", "domain")
	fmt.Println(port, err, mime.TypeByExtension(".html"))
	os.Setenv("SSL_CERT_DIR", directory)
	_, err = x509.SystemCertPool()
	fmt.Println(err)
	form := "--x\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\n" + strings.Repeat("a", 1<<20) + "\r\n--x--\r\n"
	read, err := multipart.NewReader(strings.NewReader(form), "x").ReadForm(1)
	if err == nil {
		part, err := read.File["a"][0].Open()
		fmt.Println(err, part.Close(), read.RemoveAll())
	}
	_, err = time.LoadLocation("Nowhere/Nothing")
	fmt.Println(err, errors.Is(os.RemoveAll(directory), fs.ErrNotExist))
}
`,
	"lib/lib.go": `package lib

import "os"

func Touch(name string) error { return Make(name) } // both are compiled into their callers

func Make(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return f.Close()
}

func Size(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return -1
	}
	return info.Size()
}
`}

// filesRules are those of the shipped set: all of its functions, each with a rule of its own.
func filesRules(t *testing.T, first int) (rules, functions []string) {
	t.Helper()
	data, err := os.ReadFile("../sets/std_files.yaml")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?m)(?:function|at): ((?:os|time)\.[^\s}]+)`)
	for _, found := range named.FindAllStringSubmatch(string(data), -1) {
		functions = append(functions, found[1])
	}
	slices.Sort(functions)
	if functions = slices.Compact(functions); len(functions) < 25 {
		t.Fatalf("the set has only %q", functions)
	}
	for i, name := range functions {
		rules = append(rules, ruleText(first+i, fmt.Sprintf(`{"function":%q}`, name), recordAll, "recv", "*"))
	}
	rules = append(rules, ruleText(first+len(functions),
		`{"all_of":[{"receiver":"*os.Root"},{"signature":{"returns":["error"]}}]}`, recordAll, "recv", "*"))
	// Found by types, which are read from export data that may be changed ones.
	rules = append(rules, ruleText(first+len(functions)+1, `{"call":"os.Truncate","in":"main.main"}`, recordAll, "*"))
	return rules, append(functions, "os.(*Root).Mkdir", "os.(*Root).Close")
}

// counted counts the events by kind and function.
func (p *project) counted(program string) map[string]int {
	p.t.Helper()
	tr := newTracer(p.t, true)
	defer tr.close()
	if got := p.run(program, tr); got.status != 0 {
		p.t.Fatalf("the program ended with %+v", got)
	}
	count := map[string]int{}
	for _, event := range tr.events(p.t, program) {
		words := strings.Fields(event)
		count[words[0]+" "+words[1]]++
	}
	return count
}

func TestTheSameEventsWhetherOrNotImportersAreSpared(t *testing.T) {
	t.Parallel()
	rules, functions := filesRules(t, 100)
	spared := cutoffProject(t, reaches, rules...)
	anew, kept := spared.anew()
	if len(anew) > 0 {
		t.Errorf("compiled anew: %q", anew)
	}
	for _, path := range []string{"os", "time", "mime", "net", "path/filepath", "runtime/debug"} {
		if !slices.Contains(kept, path) {
			t.Errorf("%s has no archive of its own: it has hooks, or copies of hooked functions", path)
		}
	}
	rules, _ = filesRules(t, 150) // other rules: nothing of the first is found in the cache
	all := newProject(t, reaches, rules...)
	_, hooked := all.build(".", "-trimpath")
	got, want := spared.counted(spared.program), all.counted(hooked)
	for i := range functions {
		functions[i] = "enter " + functions[i]
	}
	for _, event := range append(functions, "point main.main") {
		if want[event] == 0 {
			t.Errorf("the program does not come to %q", event)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("events\n%v, want\n%v", got, want)
	}
	t.Run("control: copies are missed", func(t *testing.T) {
		rules, _ := filesRules(t, 200)
		missing := &cutoffBuild{project: spared.project, kept: spared.kept + "2", program: spared.program + "2",
			clean: spared.clean}
		missing.setRules(rules...)
		missing.compile(missing.hookFlags(missing.plan("."))) // a plan that knows nothing of copies
		const closes = "enter os.(*File).Close"
		if less := missing.counted(missing.program); less[closes] >= want[closes] {
			t.Errorf("%d events, and %d with all copies: this program shows nothing", less[closes], want[closes])
		}
	})
}

// The compiler says with -m which calls it inlines. Those of functions with calls of their own have to show in the object.
func TestWhatTheCompilerSaysItInlinedShowsInTheArchive(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"main.go": "package main\n\nimport _ \"net/http\"\n\nfunc main() {}\n"})
	args := []string{"build", "-trimpath", "-o", os.DevNull}
	clean := p.archives()
	for path := range clean {
		if strings.HasPrefix(path, "net") || strings.HasPrefix(path, "mime") || path == "path/filepath" {
			args = append(args, "-gcflags="+path+"=-m")
		}
	}
	output, err := p.command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %s", output)
	}
	library := newCleanLibrary(clean)
	from, err := library.object("os")
	if err != nil {
		t.Fatal(err)
	}
	names, err := library.numbered("os")
	if err != nil {
		t.Fatal(err)
	}
	seen, path := 0, ""
	for _, line := range strings.Split(string(output), "\n") {
		if of, ok := strings.CutPrefix(line, "# "); ok {
			path = of
		}
		_, name, ok := strings.Cut(line, "inlining call to ")
		number := slices.Index(names, name+" 1")
		if !ok || number < 0 || path == "os" {
			continue
		}
		if calls, err := from.callsOthers(number); err != nil || !calls {
			continue
		}
		into, err := library.object(path)
		if err != nil {
			t.Fatal(err)
		}
		copies, err := into.copies(path, inlinedNames{"os": {name: true}}, library.numbered)
		if err != nil || len(copies) == 0 {
			t.Errorf("%s: no copy of %s is found: %v", path, name, err)
		}
		seen++
	}
	if seen < 10 {
		t.Errorf("only %d calls were inlined: %s", seen, output)
	}
}
