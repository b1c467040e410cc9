package main

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
)

// Theory of operation: most of what is hooked is found from the syntax. Types are asked for where the syntax does not
// tell: which function a call calls, which type a literal has, whether a condition is a constant, in what order
// variables are initialized. They come from the compiled packages that the compiler itself is given, or, in a plan,
// from the source of the dependencies. Errors in the source are not reported: what has no type is left alone.

// typeInfo is a type-checked package.
type typeInfo struct {
	pkg  *types.Package
	info *types.Info
}

// typeLoader checks a package on the first question.
type typeLoader struct {
	once sync.Once
	load func() *typeInfo
	have *typeInfo
}

func (l *typeLoader) get() *typeInfo {
	l.once.Do(func() { l.have = l.load() })
	return l.have
}

func checkTypes(p *sourcePackage, path, goVersion string, from types.Importer) *typeInfo {
	have := &typeInfo{info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{}, Instances: map[*ast.Ident]types.Instance{}}}
	config := &types.Config{Importer: from, Error: func(error) {}, Sizes: types.SizesFor("gc", runtime.GOARCH),
		FakeImportC: true, GoVersion: goVersion}
	var files []*ast.File
	for _, f := range p.files {
		files = append(files, f.syntax)
	}
	have.pkg, _ = config.Check(path, p.fset, files, have.info)
	return have
}

// constantBool is +1 for a constant that is true, -1 for one that is false, else 0.
func (t *typeInfo) constantBool(expr ast.Expr) int {
	value := t.info.Types[expr].Value
	switch {
	case value == nil || value.Kind() != constant.Bool:
		return 0
	case constant.BoolVal(value):
		return +1
	}
	return -1
}

// initOrder sorts initializers of package-level variables into the order of initialization.
func (t *typeInfo) initOrder(all []initializer) []initializer {
	order := map[ast.Expr]int{}
	for i, step := range t.info.InitOrder {
		order[step.Rhs] = i
	}
	sort.SliceStable(all, func(i, j int) bool { return order[all[i].expr] < order[all[j].expr] })
	return all
}

// compiledImporter reads export data of the packages in a compiler's importcfg.
func compiledImporter(fset *token.FileSet, importcfg string) (types.Importer, error) {
	data, err := os.ReadFile(importcfg)
	if err != nil {
		return nil, fmt.Errorf("cannot read go build's importcfg: %w", err)
	}
	files, renamed := map[string]string{}, map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		from, to, _ := strings.Cut(rest, "=")
		switch verb {
		case "packagefile":
			files[from] = to
		case "importmap":
			renamed[from] = to
		}
	}
	gc := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("package %s is not in the importcfg", path)
		}
		return os.Open(files[path])
	})
	return importerFunc(func(path string) (*types.Package, error) {
		if to := renamed[path]; to != "" {
			path = to
		}
		return gc.Import(path)
	}), nil
}

// sourceImporter type-checks dependencies from their source, without the bodies of functions.
type sourceImporter struct {
	listed map[string]*listedPackage
	mutex  sync.Mutex
	loads  map[string]*typeLoader
}

func newSourceImporter(all []*listedPackage) *sourceImporter {
	s := &sourceImporter{listed: map[string]*listedPackage{}, loads: map[string]*typeLoader{}}
	for _, l := range all {
		s.listed[l.ImportPath] = l
	}
	return s
}

// of is an importer as seen from one package: vendored packages go by other names there.
func (s *sourceImporter) of(l *listedPackage) types.Importer {
	return importerFunc(func(path string) (*types.Package, error) {
		if to := l.ImportMap[path]; to != "" {
			path = to
		}
		if path == "unsafe" {
			return types.Unsafe, nil
		}
		have := s.loader(path).get()
		if have == nil || have.pkg == nil {
			return nil, fmt.Errorf("package %s is not listed", path)
		}
		return have.pkg, nil
	})
}

func (s *sourceImporter) loader(path string) *typeLoader {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.loads[path] == nil {
		s.loads[path] = &typeLoader{load: func() *typeInfo { return s.declarations(path) }}
	}
	return s.loads[path]
}

func (s *sourceImporter) declarations(path string) *typeInfo {
	l := s.listed[path]
	if l == nil {
		return nil
	}
	p, err := l.source()
	if err != nil {
		return nil
	}
	config := &types.Config{Importer: s.of(l), Error: func(error) {}, Sizes: types.SizesFor("gc", runtime.GOARCH),
		FakeImportC: true, IgnoreFuncBodies: true}
	var files []*ast.File
	for _, f := range p.files {
		files = append(files, f.syntax)
	}
	have := &typeInfo{}
	have.pkg, _ = config.Check(path, p.fset, files, nil)
	return have
}
