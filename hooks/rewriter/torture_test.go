package main

import (
	"debug/elf"
	"debug/gosym"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tortureFiles are the program of testdata/torture, and three files that no editor leaves as they are: with a byte
// order mark, with carriage returns, and without a newline at the end.
func tortureFiles(t testing.TB) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := filepath.Join("testdata", "torture")
	for _, name := range []string{"main.go", "inner/inner.go", "inner/text.txt", "inner/lines.go", "inner/tagged_linux.go"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	files["inner/windows.go"] = "package inner\r\n\r\nfunc windows(where func(string)) {\r\n\twhere(\"crlf\")\r\n}\r\n" +
		"//line crlf.y:50\r\nfunc afterDirective(int) (int, error) {\r\n\treturn 1, nil\r\n}\r\n"
	files["inner/marked.go"] = "\ufeffpackage inner; func marked(where func(string)) { where(\"byte order mark\") }\n"
	files["inner/unterminated.go"] = "package inner\n\nfunc unterminated(f func(string)) { f(\"no newline\") } // end"
	return files
}

func TestATorturedProgramBehavesTheSame(t *testing.T) {
	p := newProject(t, tortureFiles(t), everything(0))
	p.cleanFlags = []string{"-gcflags=all=-l"}
	for _, flags := range [][]string{nil, {"-trimpath"}} {
		clean, hooked := p.build(".", flags...)
		for _, args := range [][]string{nil, {"panic"}, {"nil"}, {"stack"}, {"goexit"}} {
			p.same(clean, hooked, args...)
		}
	}
}

// shortName writes type arguments as runtime.FuncForPC does.
func shortName(name string) string {
	open, closed := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']')
	if open < 0 || closed < open {
		return name
	}
	return name[:open] + "[...]" + name[closed+1:]
}

// Every hooked function that is in the executable must be there under its site's name and line.
func TestSitesHaveTheNamesAndLinesOfTheExecutable(t *testing.T) {
	p := newProject(t, tortureFiles(t), everything(0))
	_, hooked := p.build(".")
	file, err := elf.Open(hooked)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := file.Section(".gopclntab").Data()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(lines, file.Section(".text").Addr))
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*gosym.Func{}
	for i := range table.Funcs {
		functions[shortName(table.Funcs[i].Name)] = &table.Funcs[i]
	}
	sites := builtSites(t, hooked)
	literals := 0
	for _, s := range sites {
		fn := functions[s.function]
		if fn == nil {
			t.Errorf("%s:%d: no function is called %s", s.file, s.line, s.function)
			continue
		}
		path, line, _ := table.PCToLine(fn.Entry)
		if path != s.file || line != int(s.line) && line != int(s.line)+1 {
			t.Errorf("%s is at %s:%d, its site says %s:%d", s.function, path, line, s.file, s.line)
		}
		if strings.Contains(s.function, ".func") {
			literals++
		}
	}
	if len(sites) < 400 || literals < 40 {
		t.Errorf("%d sites, %d of function literals: too few to prove anything", len(sites), literals)
	}
}

func TestTheOrderOfInitializationIsKept(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": `package main

import _ "example.com/app/a"
import _ "example.com/app/b"

func f() int { println("f"); return 1 }
func g() int { println("g"); return 1 }

var x = f()
var y = g()

func main() {}
`, "a/a.go": "package a\n\nfunc init() { println(\"a\") }\n", "b/b.go": "package b\n\nfunc init() { f() }\n\nfunc f() { println(\"b\") }\n",
	}, everything(0))
	clean, hooked := p.build(".")
	p.same(clean, hooked)
}
