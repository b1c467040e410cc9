package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Theory of operation: the hook runtime is a package that imports nothing but unsafe, so the compiler is called directly:
// no go build, no module, no cache. One fact depends on the toolchain, where a goroutine's number lies in runtime.g: it
// is taken from the runtime's own source by the type checker, and takes the place of goid_offset.go.

const goidFile = "goid_offset.go"

func runRuntime(args []string) error {
	source, out := "", ""
	for i := 0; i+1 < len(args); i += 2 {
		switch strings.TrimLeft(args[i], "-") {
		case "source":
			source = args[i+1]
		case "o":
			out = args[i+1]
		default:
			return usageError("runtime has no flag " + args[i])
		}
	}
	if source == "" || out == "" || len(args) != 4 {
		return usageError("runtime needs --source and -o")
	}
	if _, err := goVersion(); err != nil {
		return err
	}
	offset, err := goidOffset()
	if err != nil {
		return err
	}
	temporary, err := os.MkdirTemp("", "sandbox-hook-runtime-")
	if err != nil {
		return fmt.Errorf("cannot make a temporary directory: %w", err)
	}
	defer os.RemoveAll(temporary)
	b := &runtimeBuild{source: source, temporary: temporary, out: out, offset: offset}
	if err := b.build(); err != nil {
		return fmt.Errorf("the hook runtime in %s cannot be built: %w", source, err)
	}
	return nil
}

type runtimeBuild struct {
	source, temporary, out string
	offset                 int64
	goFiles, assembly      []string
}

func (b *runtimeBuild) build() error {
	if err := b.files(); err != nil {
		return err
	}
	importcfg := filepath.Join(b.temporary, "importcfg")
	if err := os.WriteFile(importcfg, nil, 0o666); err != nil {
		return err
	}
	symabis := filepath.Join(b.temporary, "symabis")
	header := filepath.Join(b.temporary, "go_asm.h")
	archive := filepath.Join(b.temporary, "sandboxhook.a")
	assemble := []string{"tool", "asm", "-p", runtimeImport, "-trimpath", b.trimpath(), "-I", b.temporary,
		"-I", filepath.Join(goroot(), "pkg", "include"), "-D", "GOOS_" + runtime.GOOS, "-D", "GOARCH_" + runtime.GOARCH}
	compile := []string{"tool", "compile", "-o", archive, "-p", runtimeImport, "-std", "-pack", "-trimpath", b.trimpath(),
		"-importcfg", importcfg, "-buildid", runtimeImport + "/" + runtimeImport}
	if len(b.assembly) == 0 {
		compile = append(compile, "-complete")
	} else {
		if err := b.tool(append(append(assemble, "-gensymabis", "-o", symabis), b.assembly...)); err != nil {
			return err
		}
		compile = append(compile, "-symabis", symabis, "-asmhdr", header)
	}
	if err := b.tool(append(compile, b.goFiles...)); err != nil {
		return err
	}
	for i, file := range b.assembly {
		object := filepath.Join(b.temporary, fmt.Sprintf("assembly%d.o", i))
		if err := b.tool(append(append(assemble, "-o", object), file)); err != nil {
			return err
		}
		if err := appendToArchive(archive, object); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	return os.WriteFile(b.out, data, 0o666)
}

// trimpath makes the archive's bytes independent of where it was built.
func (b *runtimeBuild) trimpath() string {
	return b.temporary + "=>" + runtimeImport + ";" + b.source + "=>" + runtimeImport
}

func (b *runtimeBuild) tool(args []string) error {
	output, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go %s %s: %s", args[0], args[1], firstError(output, err))
	}
	return nil
}

// files are the sources for this platform; tests and the file that goid_offset.go stands for are left out.
func (b *runtimeBuild) files() error {
	entries, err := os.ReadDir(b.source)
	if err != nil {
		return err
	}
	if b.source, err = filepath.Abs(b.source); err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		path := filepath.Join(b.source, name)
		switch {
		case strings.HasSuffix(name, "_test.go"), name == goidFile:
		case strings.HasSuffix(name, ".go"):
			b.goFiles = append(b.goFiles, path)
		case strings.HasSuffix(name, "_"+runtime.GOARCH+".s"):
			b.assembly = append(b.assembly, path)
		}
	}
	if len(b.goFiles) == 0 {
		return fmt.Errorf("there is no Go file")
	}
	generated := filepath.Join(b.temporary, goidFile)
	text := fmt.Sprintf("package sandboxhook\n\nconst goidOffset = %d\n", b.offset)
	b.goFiles = append(b.goFiles, generated)
	return os.WriteFile(generated, []byte(text), 0o666)
}

// appendToArchive adds an object as `go tool pack r` does; that tool is not in every distribution
// (cmd/go/internal/work.packInternal).
func appendToArchive(archive, object string) error {
	data, err := os.ReadFile(object)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(archive, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := file.Write(appendMember(nil, filepath.Base(object), data)); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

func goroot() string {
	output, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return runtime.GOROOT()
	}
	return strings.TrimSpace(string(output))
}

// goidOffset lays out runtime.g as the compiler does.
func goidOffset() (int64, error) {
	listed, err := goList("runtime")
	if err != nil {
		return 0, err
	}
	checked := map[string]*types.Package{"unsafe": types.Unsafe}
	sizes := types.SizesFor("gc", runtime.GOARCH)
	config := &types.Config{IgnoreFuncBodies: true, Sizes: sizes, Error: func(error) {},
		Importer: importerFunc(func(path string) (*types.Package, error) {
			if p := checked[path]; p != nil {
				return p, nil
			}
			return nil, fmt.Errorf("package %s is not listed before its user", path)
		})}
	fset := token.NewFileSet()
	for _, l := range listed {
		if l.ImportPath == "unsafe" {
			continue
		}
		var files []*ast.File
		for _, name := range l.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return 0, fmt.Errorf("the runtime's source cannot be read: %w", err)
			}
			files = append(files, file)
		}
		checked[l.ImportPath], _ = config.Check(l.ImportPath, fset, files, nil)
	}
	return fieldOffset(checked["runtime"], "g", "goid", sizes)
}

type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }

func fieldOffset(p *types.Package, typeName, fieldName string, sizes types.Sizes) (int64, error) {
	failure := fmt.Errorf("the source of package runtime has no %s.%s: this toolchain is not one hooks are made for",
		typeName, fieldName)
	if p == nil || p.Scope().Lookup(typeName) == nil {
		return 0, failure
	}
	structure, ok := p.Scope().Lookup(typeName).Type().Underlying().(*types.Struct)
	if !ok {
		return 0, failure
	}
	var fields []*types.Var
	at := -1
	for i := 0; i < structure.NumFields(); i++ {
		fields = append(fields, structure.Field(i))
		if structure.Field(i).Name() == fieldName {
			at = i
		}
	}
	if at < 0 {
		return 0, failure
	}
	return sizes.Offsetsof(fields)[at], nil
}
