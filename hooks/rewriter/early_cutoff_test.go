package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// archives are the compiled packages that a program is built from, by the go command: path → file.
func (p *project) archives(flags ...string) map[string]string {
	p.t.Helper()
	args := append([]string{"list", "-export", "-deps", "-trimpath", "-f", "{{if .Export}}{{.ImportPath}}={{.Export}}{{end}}"},
		flags...)
	output, err := p.command("go", append(args, ".")...).Output()
	if err != nil {
		p.t.Fatalf("go list: %v", err)
	}
	files := map[string]string{}
	for _, line := range strings.Fields(string(output)) {
		path, file, _ := strings.Cut(line, "=")
		files[path] = file
	}
	return files
}

// cutoffBuild is a program whose standard library was compiled with hooks as a fill of the hooked std cache does, and
// which was then compiled as a build does.
type cutoffBuild struct {
	*project
	kept, program string
	clean, hooked map[string]string // the archives of the standard library
}

func cutoffProject(t *testing.T, files map[string]string, rules ...string) *cutoffBuild {
	t.Helper()
	b := &cutoffBuild{project: newProject(t, files, rules...)}
	b.kept, b.program = filepath.Join(b.directory, "kept"), filepath.Join(b.directory, "program")
	b.clean = b.archives()
	var lines strings.Builder
	for path, file := range b.clean {
		if !strings.HasPrefix(path, "example.com/") {
			fmt.Fprintf(&lines, "%s=%s\n", path, strings.TrimPrefix(file, built.cache+"/"))
		}
	}
	b.write("packages", lines.String())
	b.compile(b.hookFlags(b.plan("--clean", filepath.Join(b.directory, "packages"), ".")))
	return b
}

func (b *cutoffBuild) compile(flags []string) {
	b.t.Helper()
	fill := append([]string{}, flags...)
	fill[1] += " --kept " + b.kept + " --clean " + filepath.Join(b.directory, "packages")
	b.hooked = b.archives(fill...)
	flags[1] += " --kept " + b.kept
	// The program's own packages may have copies of hooked functions too, and this cache is not for one build alone.
	flags = append(flags, "-gcflags=example.com/...="+hookFlag+filepath.Base(b.directory))
	args := append([]string{"build", "-trimpath", "-o", b.program}, append(flags, ".")...)
	if output, err := b.command("go", args...).CombinedOutput(); err != nil || len(output) > 0 {
		b.t.Fatalf("hooked build: %v\n%s", err, output)
	}
}

// anew are the packages of the standard library that were compiled again, but for those whose hooked archive is kept.
func (b *cutoffBuild) anew() (importers, kept []string) {
	for path, file := range b.clean {
		if _, err := os.Stat(filepath.Join(b.kept, path+".a")); err == nil {
			kept = append(kept, path)
		} else if !strings.HasPrefix(path, "example.com/") && b.hooked[path] != file {
			importers = append(importers, path)
		}
	}
	slices.Sort(importers)
	slices.Sort(kept)
	return importers, kept
}

const opens = `package main

import ("fmt"; "os"; _ "runtime/debug"; "slices"; "sync")

func main() {
	_ = os.Getpagesize()
	_, err := os.Open("/nonexistent/a")
	_, err2 := os.ReadFile("/nonexistent/b")
	numbers := []int{2, 1}
	slices.SortFunc(numbers, func(a, b int) int { return a - b })
	sync.OnceFunc(func() { fmt.Println(err, err2, numbers) })()
}
`

func TestImportersThatSeeNothingOfAHookAreNotCompiledAnew(t *testing.T) {
	t.Parallel()
	b := cutoffProject(t, map[string]string{"main.go": opens},
		ruleText(901, `{"function":"os.OpenFile"}`, recordAll, "recv", "*"))
	if anew, kept := b.anew(); len(anew) > 0 || !slices.Equal(kept, []string{"os"}) {
		t.Errorf("compiled anew: %q; kept: %q", anew, kept)
	}
	plain, _ := b.build(".", "-trimpath")
	events := strings.Join(b.same(plain, b.program), "\n")
	for _, path := range []string{"/nonexistent/a", "/nonexistent/b"} {
		if !strings.Contains(events, path) {
			t.Errorf("no event for %s:\n%s", path, events)
		}
	}
}

func TestImportersOfWhatIsInDoubtAreCompiledAnew(t *testing.T) {
	t.Parallel()
	for i, c := range []struct{ name, rule, path, event string }{
		{"without a call of its own", `{"function":"os.Getpagesize"}`, "os", "enter os.Getpagesize"},
		{"generic", `{"function":"slices.SortFunc[...]"}`, "slices", "enter slices.SortFunc"},
		{"in a literal", `{"function":"sync.OnceFunc.func*"}`, "sync", "enter sync.OnceFunc.func"},
		{"a call", `{"call":"os.OpenFile","in":"os.Open"}`, "os", "os.Open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The second rule has packages compiled for their copies, runtime/debug among them.
			b := cutoffProject(t, map[string]string{"main.go": opens}, ruleText(910+i, c.rule, recordAll, "recv", "*"),
				ruleText(920+i, `{"function":"os.(*File).Close"}`, recordAll, "recv", "*"))
			if _, err := os.Stat(filepath.Join(b.kept, c.path+".a")); err == nil {
				t.Errorf("package %s was kept apart", c.path)
			}
			plain, _ := b.build(".", "-trimpath")
			if events := strings.Join(b.same(plain, b.program), "\n"); !strings.Contains(events, c.event) {
				t.Errorf("no event %s:\n%s", c.event, events)
			}
		})
	}
}

// compiled is a package compiled by the compiler alone.
func compiled(t *testing.T, directory, name, text string, imports ...string) string {
	t.Helper()
	source, out := filepath.Join(directory, name+".go"), filepath.Join(directory, name+".a")
	if err := os.WriteFile(source, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	config := out + ".cfg"
	if err := os.WriteFile(config, []byte(strings.Join(imports, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	path, _, _ := strings.Cut(name, "-")
	if output, err := exec.Command("go", "tool", "compile", "-p", path, "-pack", "-trimpath", directory, "-buildid",
		"id/"+path, "-importcfg", config, "-o", out, source).CombinedOutput(); err != nil {
		t.Fatalf("compile: %s", output)
	}
	return out
}

func readArchive(t *testing.T, file string) *goArchive {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := parseArchive(data)
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

const libraryText = `package lib

var Last string

type T struct{ N int }

//go:noinline
func (t *T) Add(n *int) int { t.N += *n; return t.N }

func Small() int { return 40 }

//go:noinline
func Say(s *string) { Last = *s }

func Both(s *string) { Say(s) } // is compiled into its callers, and has calls
`

func libReplacement(hooked ...string) *replacement {
	r := &replacement{path: "lib", functions: map[string]bool{}, elsewhere: inlinedNames{}}
	for _, name := range hooked {
		r.functions[name] = true
	}
	return r
}

func TestAnArchiveStandsInOnlyIfImportersAreToldTheSame(t *testing.T) {
	directory := t.TempDir()
	clean := compiled(t, directory, "lib", libraryText)
	for _, c := range []struct {
		name, from, to string
		hooked, want   string
	}{
		{"nothing", "", "", "", ""},
		{"a body that is not inlined", "t.N += *n;", "t.N += *n + 1;", "", ""},
		{"a symbol before all others", "var Last", "var added = [...]string{Last0()}\n//go:noinline\n" +
			"func Last0() string { return \"x\" }\nvar Last", "", "initialized"},
		{"symbols before all others", "var Last", "var added = [2]int{7, 8}\n//go:noinline\n" +
			"func aaa() int { return added[0] }\nvar Last", "", ""},
		{"another pragma", "func Small", "//go:noinline\nfunc Small", "", "called in another way"},
		{"a body that is not inlined any more", "{ Say(s) }", "{ defer func() {}(); Say(s) }", "", "not inlined any more"},
		{"the same with hooks", "{ Say(s) }", "{ defer func() {}(); Say(s) }", "lib.Both", ""},
		{"with hooks and still inlined", "{ Say(s) }", "{ Last = \"\"; Say(s) }", "lib.Both", ""},
		{"with hooks and no calls", "return 40", "defer func() {}(); return 40", "lib.Small", "cannot be seen"},
		{"a parameter that leaks", "Last = *s", "Last = *s; leaked = s", "", "told something else"},
		{"a function that is gone", "func Small() int { return 40 }", "", "", "it has no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(libraryText, c.from, c.to, 1)
			if strings.Contains(c.to, "leaked") {
				text += "\nvar leaked *string\n"
			}
			name := "lib-" + strings.ReplaceAll(c.name, " ", "_")
			hooked := readArchive(t, compiled(t, directory, name, text))
			list, err := libReplacement(c.hooked).standIn(hooked, readArchive(t, clean))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if c.want == "" && strings.Join(list.Symbols, " ") != c.hooked {
				t.Errorf("not to be inlined: %q, want %q", list.Symbols, c.hooked)
			}
		})
	}
}

func TestAnArchiveThatStandsInLinksWithImportersOfTheCleanOne(t *testing.T) {
	directory := t.TempDir()
	clean := compiled(t, directory, "lib", libraryText)
	text := strings.NewReplacer("t.N += *n;", "t.N += *n + aaa();", "var Last",
		"var added = [2]int{7, 8}\n//go:noinline\nfunc aaa() int { return added[0] }\nvar Last").Replace(libraryText)
	hooked := readArchive(t, compiled(t, directory, "lib-hooked", text))
	if _, err := libReplacement().standIn(hooked, readArchive(t, clean)); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(directory, "kept.a")
	if err := os.WriteFile(kept, hooked.bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	p := newProject(t, map[string]string{"main.go": "package main\n\nfunc main() {}\n"})
	config := []string{"packagefile lib=" + clean}
	for path, file := range p.archives() {
		if path != "example.com/app" {
			config = append(config, "packagefile "+path+"="+file)
		}
	}
	program := compiled(t, directory, "main", `package main

import "lib"

func main() {
	t, n, s := &lib.T{N: 1}, 2, "said"
	lib.Say(&s)
	println(t.Add(&n), lib.Small(), lib.Last)
}
`, config...)
	for archive, want := range map[string]string{clean: "3 40 said\n", kept: "10 40 said\n"} {
		config[0] = "packagefile lib=" + archive
		p.write("link.cfg", strings.Join(config, "\n")+"\n")
		out := filepath.Join(directory, "linked")
		if output, err := p.command("go", "tool", "link", "-importcfg", "link.cfg", "-o", out, program).CombinedOutput(); err != nil {
			t.Fatalf("link: %s", output)
		}
		if output, err := exec.Command(out).CombinedOutput(); err != nil || string(output) != want {
			t.Errorf("%s: %v, %q, want %q", archive, err, output, want)
		}
	}
}

func TestDamagedArchivesAreRefusedOrHarmless(t *testing.T) {
	directory := t.TempDir()
	clean := compiled(t, directory, "lib", libraryText)
	data, err := os.ReadFile(clean)
	if err != nil {
		t.Fatal(err)
	}
	try := func(damaged []byte) {
		archive, err := parseArchive(damaged)
		if err != nil {
			return
		}
		_, _ = libReplacement().standIn(archive, readArchive(t, clean))
		if archive, err = parseArchive(damaged); err == nil {
			_, _ = libReplacement().standIn(readArchive(t, clean), archive)
		}
	}
	for at := range data {
		damaged := append([]byte{}, data...)
		damaged[at] ^= 0xFF
		try(damaged)
		try(append([]byte{}, data[:at]...))
	}
}
