package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
)

// listedPackage is what `go list -json` says of a package.
type listedPackage struct {
	Dir, ImportPath, Name     string
	Standard, DepOnly         bool
	Module                    *struct{ Path, Version string }
	GoFiles, CgoFiles, SFiles []string
	Imports, Deps             []string
	ImportMap                 map[string]string
	Error                     *struct{ Err string }
}

const listFields = "-json=Dir,ImportPath,Name,Standard,DepOnly,Module,GoFiles,CgoFiles,SFiles,Imports,Deps,ImportMap,Error"

// goList runs the go command of the environment: the toolchain the build uses. A package that cannot be loaded is not an
// error here: the build says it better.
func goList(args ...string) ([]*listedPackage, error) {
	command := exec.Command("go", append([]string{"list", "-e", "-deps", listFields}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("go list cannot read the packages: %s", strings.Join(strings.Fields(stderr.String()), " "))
		}
		return nil, fmt.Errorf("cannot run go list: %w", err)
	}
	var all []*listedPackage
	decoder := json.NewDecoder(bytes.NewReader(output))
	for {
		p := &listedPackage{}
		if err := decoder.Decode(p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list's output cannot be read: %w", err)
		}
		all = append(all, p)
	}
}

func (l *listedPackage) names() *packageNames {
	n := &packageNames{importPath: l.path(), linkPath: l.linkPath(), standard: l.Standard, module: l.module()}
	n.uses = append(append(n.uses, l.Deps...), "main")
	return n
}

func (l *listedPackage) linkPath() string {
	if l.Name == "main" {
		return "main"
	}
	return l.path()
}

func (l *listedPackage) module() moduleID {
	return moduleOf(l.Dir, l.path(), l.Standard)
}

// path leaves out what go list puts behind the import path of a package compiled anew for a test.
func (l *listedPackage) path() string {
	path, _, _ := strings.Cut(l.ImportPath, " ")
	return path
}

func (l *listedPackage) moduleText() string {
	switch {
	case l.Module == nil:
		return ""
	case l.Module.Version == "":
		return l.Module.Path
	}
	return l.Module.Path + "@" + l.Module.Version
}

// source parses the package as it lies on disk: what cgo and coverage make of it is not known yet.
func (l *listedPackage) source() (*sourcePackage, error) {
	p := &sourcePackage{importPath: l.path(), linkPath: l.linkPath(), module: l.module(), directory: l.Dir}
	p.display = func(path string) string { return path }
	p.assembly = scanAssembly(l.Dir, l.SFiles)
	var paths []string
	for _, name := range append(append([]string{}, l.GoFiles...), l.CgoFiles...) {
		paths = append(paths, filepath.Join(l.Dir, name))
	}
	var err error
	p.fset = token.NewFileSet()
	p.files, err = parseFiles(p.fset, paths, l.Dir)
	return p, err
}

// runtimeDependencies is what the runtime is made of: hooks in there would run where nothing may run.
func runtimeDependencies(all []*listedPackage) map[string]bool {
	found := map[string]bool{"runtime": true, "unsafe": true, runtimeImport: true}
	for _, l := range all {
		if l.ImportPath == "runtime" {
			for _, dep := range l.Deps {
				found[dep] = true
			}
		}
	}
	return found
}

// untouchable says why nothing of a package is hooked; "" if it may be. A module may be called runtime/x too.
func untouchable(importPath string, standard bool, runtimeIs map[string]bool) string {
	switch {
	case !standard:
		return ""
	case runtimeIs[importPath], importPath == "runtime", strings.HasPrefix(importPath, "runtime/"),
		strings.HasPrefix(importPath, "internal/runtime/"):
		return "the runtime itself is not hooked"
	case importPath == "crypto/internal/fips140", strings.HasPrefix(importPath, "crypto/internal/fips140/"):
		return "the FIPS 140 module is not hooked: it may hold no static data with pointers"
	}
	return ""
}
