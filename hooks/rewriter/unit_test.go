package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"os.OpenFile", "os.OpenFile", true},
		{"os.OpenFile", "os.OpenFiles", false},
		{"os.*", "os.Open", true},
		{"os.*", "os.(*File).Read", false},
		{"os.**", "os.(*File).Read", true},
		{"os.(*File).*", "os.(*File).Read", true},
		{"os.(*File).*", "os.File.Read", false},
		{"os.(*).Read", "os.(*File).Read", true},
		{"os.(*).Read", "os.(*Root).Write", false},
		{"*.Open", "os.Open", true},
		{"*.Open", "archive/zip.Open", false},
		{"**.Open", "archive/zip.Open", true},
		{"net/*.Get", "net/http.Get", true},
		{"net/*.Get", "net/http/x.Get", false},
		{"**.Handler.*", "net/http.Handler.ServeHTTP", true},
		{"**", "", true},
		{"*", "a.b", false},
		{"a*c", "abbc", true},
		{"a*c", "ac", true},
		{"main.F[...]", "main.F[...]", true},
	} {
		if got := compileGlob(c.pattern).match(c.name); got != c.want {
			t.Errorf("%s matches %s: %v", c.pattern, c.name, got)
		}
	}
	for _, c := range []struct {
		pattern, prefix string
		want            bool
	}{
		{"os.OpenFile", "os.", true}, {"os.OpenFile", "io.", false}, {"os.OpenFile", "os.OpenFile", false},
		{"**.Open", "anything/at.", true}, {"net/*.Get", "net/http.", true}, {"net/*.Get", "net/http/x.", false},
	} {
		if got := compileGlob(c.pattern).matchesSomeExtensionOf(c.prefix); got != c.want {
			t.Errorf("%s matches an extension of %s: %v", c.pattern, c.prefix, got)
		}
	}
	for pattern, want := range map[string]bool{"net": true, "net/...": true, "...": true, "net/http": false, "nets": false} {
		if got := matchAny(compilePackageGlob(pattern), "net"); got != want {
			t.Errorf("package pattern %s matches net: %v", pattern, got)
		}
	}
	if !matchAny(compilePackageGlob("net/..."), "net/http/httptest") {
		t.Error("net/... leaves out net/http/httptest")
	}
}

func TestSourcePathsAreWhatTheCompilerMakesOfThem(t *testing.T) {
	t.Setenv("GOROOT", "/go")
	for _, c := range [][3]string{
		{"/src/a.go", "", "/src/a.go"},
		{"/src/a.go", "/src=>example.com/app", "example.com/app/a.go"},
		{"/src/a.go", "/build/b001=>;/src=>example.com/app", "example.com/app/a.go"},
		{"/build/b001/a.go", "/build/b001=>;/build=>x", "a.go"},
		{"/srcs/a.go", "/src=>x", "/srcs/a.go"},
		{"/go/src/os/file.go", "", "$GOROOT/src/os/file.go"},
		{"/go/src/os/file.go", "/go/src/os=>os", "os/file.go"},
	} {
		if got := sourcePath(c[0], c[1]); got != c[2] {
			t.Errorf("%s by %s is %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestCompilersArgumentsAreTakenApart(t *testing.T) {
	response := filepath.Join(t.TempDir(), "response")
	args := []string{"-o", "x.a", "-trimpath", "a=>b", "-p=main", "-sandbox-hook=1", "-c=1", "./a.go", "/b c.go"}
	text := strings.ReplaceAll(strings.Join(args, "\n"), "b c", `b\\c\nd`) + "\n"
	if err := os.WriteFile(response, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, from := range [][]string{args, {"@" + response}} {
		if !isHooked(from) {
			t.Errorf("%v is not taken for hooked", from)
		}
		c, err := parseCompileArgs(from)
		if err != nil {
			t.Fatal(err)
		}
		c.set("c", "4")
		want := []string{"-o", "x.a", "-trimpath", "a=>b", "-p=main", "-c=4", "./a.go", "/b c.go"}
		if from[0][0] == '@' {
			want[7] = "/b\\c\nd.go"
		}
		if !slices.Equal(c.all(), want) || c.value("o") != "x.a" || c.value("p") != "main" || c.value("trimpath") != "a=>b" {
			t.Errorf("got %q, want %q", c.all(), want)
		}
	}
}

func TestModulesAreToldFromWhereTheSourceLies(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("app/go.mod", "// a comment\nmodule \"example.com/app\" // another\n")
	write("app/vendor/modules.txt", "# example.com/v v1.2.3\n## explicit\nexample.com/v/sub\n")
	for _, c := range []struct {
		directory, importPath string
		standard              bool
		want                  moduleID
	}{
		{"/go/src/os", "os", true, moduleID{"std", ""}},
		{"/modules/github.com/!a/b@v1.0.0/c", "github.com/A/b/c", false, moduleID{"github.com/A/b", "v1.0.0"}},
		{"/x/mod/github.com/a/b@v1.0.0", "command-line-arguments", false, moduleID{"github.com/a/b", "v1.0.0"}},
		{filepath.Join(root, "app/inner"), "example.com/app/inner", false, moduleID{"example.com/app", ""}},
		{filepath.Join(root, "app/vendor/example.com/v/sub"), "example.com/v/sub", false, moduleID{"example.com/v", "v1.2.3"}},
	} {
		if got := moduleOf(c.directory, c.importPath, c.standard); got != c.want {
			t.Errorf("%s: got %v, want %v", c.directory, got, c.want)
		}
	}
}

func TestGoVersionsAreThoseWeKnow(t *testing.T) {
	for version, want := range map[string]bool{"go1.25": true, "go1.25.4": true, "go1.26.8": true, "go1.27rc1": true,
		"go1.24.9": false, "go1.28": false, "go1.250": false, "devel go1.27-abc": false, "go1.26-custom": true, "": false} {
		if err := checkVersion(version); (err == nil) != want {
			t.Errorf("%q: %v", version, err)
		}
	}
}

// What must not be hooked is found in the standard library as it is.
func TestRestrictionsAreFoundFromDirectives(t *testing.T) {
	listed, err := goList("os", "time")
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	runtimeIs := runtimeDependencies(listed)
	for _, l := range listed {
		p, err := l.source()
		if err != nil {
			t.Fatal(err)
		}
		for _, fn := range p.functions() {
			reasons[fn.name] = hookability(fn, untouchable(l.ImportPath, l.Standard, runtimeIs))
		}
	}
	for name, want := range map[string]string{
		"os.OpenFile":                     "hookable",
		"os.(*File).Read":                 "hookable",
		"time.Time.Add":                   "it is called by sendTime, which runs under restrictions of the runtime",
		"syscall.Open":                    "hookable",
		"syscall.Close":                   "hookable",
		"time.Since":                      "hookable",
		"time.Now":                        "directive //go:linkname",
		"os.runtime_beforeExit":           "it has no Go body",
		"syscall.Syscall":                 "directive //go:uintptrkeepalive",
		"syscall.forkAndExecInChild":      "directive //go:norace",
		"syscall.capToIndex":              "it is called by forkAndExecInChild, which runs under restrictions of the runtime",
		"time.sendTime":                   "it is handed to a function outside Go",
		"time.goFunc":                     "it is handed to a function outside Go",
		"os.init.0":                       "it is an init function",
		"runtime.gopanic":                 "the runtime itself is not hooked",
		"internal/abi.FuncPCABI0":         "the runtime itself is not hooked",
		"internal/runtime/maps.NewMap":    "the runtime itself is not hooked",
		"internal/poll.runtime_pollReset": "it has no Go body",
	} {
		if reasons[name] != want && !(strings.HasPrefix(want, "it is called by") && strings.HasPrefix(reasons[name], want[:15])) {
			t.Errorf("%s: got %q, want %q", name, reasons[name], want)
		}
	}
}

// What the compiler knows of packages that may be hooked is in our list, or is not for amd64.
func TestFunctionsThatBecomeInstructionsAreTheCompilers(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "src/cmd/compile/internal/ssagen/intrinsics.go"))
	if err != nil {
		t.Fatal(err)
	}
	listed, err := goList("math/big", "sync/atomic", "crypto/subtle")
	if err != nil {
		t.Fatal(err)
	}
	runtimeIs, hookable := runtimeDependencies(listed), map[string]bool{}
	for _, l := range listed {
		p, err := l.source()
		if err != nil {
			t.Fatal(err)
		}
		for _, fn := range p.functions() {
			hookable[fn.name] = hookability(fn, untouchable(l.ImportPath, l.Standard, runtimeIs)) == "hookable"
		}
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:add|addF|alias)\("([a-z/]+)", "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		known[m[1]+"."+m[2]] = true
	}
	if !known["math.Floor"] || len(known) < 50 {
		t.Fatalf("the compiler's list is not read: %d of it", len(known))
	}
	otherMachines := map[string]bool{"math.Abs": true, "math.Copysign": true, "math.Round": true}
	for name := range known {
		if hookable[name] && !otherMachines[name] {
			t.Errorf("%s is hookable, and the compiler makes its calls instructions", name)
		}
	}
	for path, names := range instructions {
		for name := range names {
			if _, there := hookable[path+"."+name]; there && !known[path+"."+name] {
				t.Errorf("%s.%s is an ordinary function to the compiler", path, name)
			}
		}
	}
}

func TestTheGoroutineNumbersOffsetIsTheRuntimesOwn(t *testing.T) {
	offset, err := goidOffset()
	if err != nil || offset < 100 || offset > 400 || offset%8 != 0 {
		t.Errorf("offset %d: %v", offset, err)
	}
}
