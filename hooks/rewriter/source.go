package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// sourceFile is one Go file of a package as the compiler would get it.
type sourceFile struct {
	path    string // as it was given
	full    string // absolute
	data    []byte
	syntax  *ast.File
	token   *token.File
	lines   *lineTable
	imports map[string]string // local name → import path; only what can be told without types
}

// sourcePackage is a package as the compiler would get it: what can be hooked in it is found from it alone.
type sourcePackage struct {
	importPath string // what a rule's package pattern is held against
	linkPath   string // what its symbols begin with: "main" for a program
	module     moduleID
	directory  string
	display    func(path string) string // a file's name, own or from a line directive, as a stack trace shows it
	files      []*sourceFile
	assembly   map[string]bool // functions that assembly code refers to
	fset       *token.FileSet
	types      *typeLoader
	exact      bool // function literals are numbered as the compiler does, which may take types

	declaredTypes, constantNames map[string]bool // each filled on the first question
}

func (f *sourceFile) offset(pos token.Pos) int { return f.token.Offset(pos) }

// line is the line and the column of a node as the compiler would report them.
func (f *sourceFile) position(pos token.Pos) (line, column int) {
	return f.lines.position(f.offset(pos))
}

// directivesAreRelative: since Go 1.27 a file name in a line directive is relative to the directory of the file it stands
// in, as that is given to the compiler (cmd/compile/internal/syntax, parser.updateBase).
var directivesAreRelative = sync.OnceValue(func() bool { return minorVersion(runtime.Version()) >= 27 })

// displayAt is the name of the file a node's line is attributed to.
func (p *sourcePackage) displayAt(f *sourceFile, pos token.Pos) string {
	name, ok := f.lines.directiveFile(f.offset(pos))
	if !ok {
		return p.display(f.full)
	}
	if name != "" && directivesAreRelative() && !filepath.IsAbs(name) && filepath.Dir(f.path) != "." {
		name = filepath.Join(filepath.Dir(f.path), name)
	}
	return p.display(name)
}

// parseFile reads and parses one file. A file with a syntax error is not an error here: the compiler's own words for it
// are better, and it says them when the package is left alone.
func parseFile(fset *token.FileSet, path, directory string) (*sourceFile, error) {
	full := resolve(directory, path)
	data, err := os.ReadFile(full)
	if err != nil {
		return nil, fmt.Errorf("cannot read the source file: %w", err)
	}
	syntax, err := parser.ParseFile(fset, path, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &sourceFile{path: path, full: full, data: data, syntax: syntax, token: fset.File(syntax.FileStart)}
	f.lines = newLineTable(data, syntax, func(n ast.Node) int { return f.offset(n.Pos()) })
	f.imports = importsOf(syntax)
	return f, nil
}

// parseFiles parses side by side: a package of the standard library has up to a hundred files.
func parseFiles(fset *token.FileSet, paths []string, directory string) ([]*sourceFile, error) {
	files := make([]*sourceFile, len(paths))
	errs := make([]error, len(paths))
	var group sync.WaitGroup
	for i, path := range paths {
		group.Add(1)
		go func() {
			defer group.Done()
			files[i], errs[i] = parseFile(fset, path, directory)
		}()
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func resolve(directory, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(directory, path)
}

// importsOf maps the names a file's imports are used by. Where a package's name is not the last element of its path,
// the name is guessed: a version suffix and a "go-" or ".go" are no part of it.
func importsOf(file *ast.File) map[string]string {
	imports := map[string]string{}
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, "`\"")
		if spec.Name != nil {
			imports[spec.Name.Name] = path
		} else {
			imports[guessedPackageName(path)] = path
		}
	}
	return imports
}

func guessedPackageName(path string) string {
	elements := strings.Split(path, "/")
	name := elements[len(elements)-1]
	if len(elements) > 1 && len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
		name = elements[len(elements)-2]
	}
	if dot := strings.LastIndex(name, ".v"); dot > 0 {
		name = name[:dot]
	}
	name = strings.TrimPrefix(strings.TrimSuffix(name, ".go"), "go-")
	return strings.ReplaceAll(name, "-", "_")
}

// freeSuffix finds what to put behind the inserted names so that none of them is in the source anywhere: "" but for
// a package that itself uses names such as these.
func (p *sourcePackage) freeSuffix() string {
	suffix := ""
	for {
		taken := false
		for _, f := range p.files {
			taken = taken || usesName(f.data, suffix)
		}
		if !taken {
			return suffix
		}
		suffix += "_"
	}
}

// usesName looks for any identifier that begins like an inserted one: all of them are "sandbox", a word and the suffix.
func usesName(data []byte, suffix string) bool {
	if !bytes.Contains(data, []byte("sandbox")) {
		return false
	}
	for _, stem := range []string{"sandboxhook", "sandboxF", "sandboxA", "sandboxR", "sandboxP", "sandboxSite_",
		"sandboxErr_", "sandboxNil", "sandboxT", "sandboxWith"} {
		if bytes.Contains(data, []byte(stem+suffix)) {
			return true
		}
	}
	return false
}

// symbolPrefix writes an import path the way the linker does (cmd/internal/objabi.PathToPrefix): in the last element
// dots are escaped, anywhere what is not printable ASCII.
func symbolPrefix(path string) string {
	slash := strings.LastIndexByte(path, '/')
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if c := path[i]; c <= ' ' || c == '.' && i > slash || c == '%' || c == '"' || c >= 0x7F {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
