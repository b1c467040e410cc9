package main

import (
	"bytes"
	"flag"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenRules are kept small, so that the golden file can be read.
var goldenRules = []string{
	ruleText(0, `{"package":"golden"}`, recordAll, "recv", "*"),
	ruleText(1, `{"function":"golden.plain"}`, `{"kind":"abort","error":"no"}`, "b", "missing"),
	ruleText(2, `{"function":"golden.unnamed"}`, `{"kind":"abort","results":["7","io.EOF"]}`),
	ruleText(3, `{"function":"golden.nothing"}`, `{"kind":"count"}`),
	ruleText(4, `{"function":"golden.literals.func1"}`, `{"kind":"record","arguments":["#0"]}`, "#0"),
}

func testPackage(t *testing.T, paths ...string) *sourcePackage {
	t.Helper()
	p := &sourcePackage{importPath: "golden", linkPath: "golden", fset: token.NewFileSet()}
	p.display = func(path string) string { return filepath.Base(path) }
	var err error
	if p.files, err = parseFiles(p.fset, paths, ""); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRewritesAreTheGoldenOnes(t *testing.T) {
	project := newProject(t, nil, goldenRules...)
	set, err := readRules(project.rules)
	if err != nil {
		t.Fatal(err)
	}
	p := testPackage(t, filepath.Join("testdata", "golden", "signatures.go.txt"))
	r, err := rewrite(p, set)
	if err != nil {
		t.Fatal(err)
	}
	got := append(append(append([]byte{}, r.changed[p.files[0]]...), "---- sites\n"...), r.extra...)
	golden := filepath.Join("testdata", "golden", "signatures.golden.txt")
	if *update {
		if err := os.WriteFile(golden, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s\n(go test -run Golden -update writes it anew)", got, want)
	}
}

func TestInsertedNamesKeepAwayFromThePackagesOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	source := "package golden\n\nfunc f(sandboxhook, sandboxA_0 int) {}\n"
	if err := os.WriteFile(path, []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	project := newProject(t, nil, goldenRules[0])
	set, err := readRules(project.rules)
	if err != nil {
		t.Fatal(err)
	}
	p := testPackage(t, path)
	r, err := rewrite(p, set)
	if err != nil {
		t.Fatal(err)
	}
	text := string(r.changed[p.files[0]])
	if !strings.Contains(text, "import sandboxhook__ ") || !strings.Contains(text, "sandboxA__1, sandboxA__2 := sandboxhook, sandboxA_0;") {
		t.Errorf("%s", text)
	}
}
