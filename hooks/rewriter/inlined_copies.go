package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sandbox-run/hooks/rewriter/passthrough"
)

// Theory of operation: a small function is compiled into its callers, and its hooks would be missing there. Which packages
// have such copies is in the clean archives: a function's description lists all calls that were inlined into it, and those
// within these (goobj.InlTreeNode), each with the function that was called. So
//   - the plan names such packages beside those that are hooked: they get a flag too, and are compiled again;
//   - whatever is compiled is told that the hooked functions cannot be inlined. Export data repeat what those of other
//     packages say, so this is changed in the export data of each import;
//   - all others are as they would be: their calls of hooked functions are calls.
// The list of what must not be inlined lies beside the hooked archive that was kept (early_cutoff.go).
//
// A call that was inlined leaves no trace where nothing is left of it to run, and where the compiler made an initial
// value of it. So a hooked function that can be inlined has to have a call of its own in its code: that remains, and
// its place says where it came from (obj.pcinlineState).

// inlinedNames are names of functions, by package.
type inlinedNames map[string]map[string]bool

func (n inlinedNames) add(path, name string) {
	if n[path] == nil {
		n[path] = map[string]bool{}
	}
	n[path][name] = true
}

// numberedNames has the names of a package's symbols by their numbers.
type numberedNames func(path string) ([]string, error)

// copies are those of the object's functions that have a copy of a function in `of`.
func (o *objectFile) copies(own string, of inlinedNames, numbered numberedNames) (map[string]bool, error) {
	packages, err := o.packages()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	err = o.inlined(func(call inlinedCall) error {
		path, name, err := o.named(o.data[call.place:], own, packages, of, numbered)
		if err != nil || path != "" && !of[path][name] || path == "" && !of.anywhere(name) {
			return err
		}
		into, err := o.text(o.data[o.start[blockSymbols]+call.into*recordSizes[blockSymbols]:])
		found[into] = true
		return err
	})
	return found, err
}

// named says what a reference refers to, if it could be one of `of`; what is known by its name alone has no path.
func (o *objectFile) named(at []byte, own string, packages []string, of inlinedNames,
	numbered numberedNames) (path, name string, err error) {
	in, number := binary.LittleEndian.Uint32(at), int(binary.LittleEndian.Uint32(at[4:]))
	switch {
	case in == noPackage:
		if number >= (o.start[blockReferences+1]-o.start[blockNamed])/recordSizes[blockNamed] {
			return "", "", fmt.Errorf("its object file refers to a symbol that it does not have")
		}
		name, err = o.text(o.data[o.start[blockNamed]+number*recordSizes[blockNamed]:])
		return "", name, err
	case in == ownPackage:
		path = own
	case int(in) < len(packages):
		path = packages[in]
	}
	if of[path] == nil {
		return "", "", nil
	}
	names, err := numbered(path)
	if err != nil {
		return "", "", err
	}
	if number >= len(names) {
		return "", "", fmt.Errorf("its object file refers to a symbol that %s does not have", path)
	}
	name, _, _ = strings.Cut(names[number], " ")
	return path, name, nil
}

func (n inlinedNames) anywhere(name string) bool {
	for _, names := range n {
		if names[name] {
			return true
		}
	}
	return false
}

// callsOthers says whether a function's code calls one of its own or of another package that is not the runtime.
func (o *objectFile) callsOthers(symbol int) (bool, error) {
	const call, kind, target = 7, 5, 15 // objabi.R_CALL; where a relocation has its kind and its target
	packages, err := o.packages()
	if err != nil {
		return false, err
	}
	begin, end := o.number(blockRelocIndex, symbol), o.number(blockRelocIndex, symbol+1)
	if begin > end || end > o.records(blockRelocs) {
		return false, fmt.Errorf("block %d of its object file is out of order", blockRelocs)
	}
	for i := begin; i < end; i++ {
		relocation := o.record(blockRelocs, i)
		if binary.LittleEndian.Uint16(relocation[kind:]) != call {
			continue
		}
		in := binary.LittleEndian.Uint32(relocation[target:])
		if in == ownPackage || int(in) < len(packages) && untouchable(packages[in], true, nil) == "" {
			return true, nil
		}
	}
	return false, nil
}

// cleanLibrary reads the clean standard library's archives, each once.
type cleanLibrary struct {
	files   map[string]string
	objects map[string]*objectFile
	names   map[string][]string
}

func newCleanLibrary(files map[string]string) *cleanLibrary {
	return &cleanLibrary{files, map[string]*objectFile{}, map[string][]string{}}
}

func (l *cleanLibrary) object(path string) (*objectFile, error) {
	if have := l.objects[path]; have != nil {
		return have, nil
	}
	archive, err := readGoArchive(l.files[path])
	if err != nil {
		return nil, err
	}
	object, err := parseObject(archive.object)
	if err == nil {
		l.objects[path] = object
	}
	return object, err
}

func (l *cleanLibrary) numbered(path string) ([]string, error) {
	if have := l.names[path]; have != nil {
		return have, nil
	}
	object, err := l.object(path)
	if err == nil {
		l.names[path], err = object.symbols()
	}
	return l.names[path], err
}

// spread are the packages that have copies of the functions in `of`, or of functions that have one, or cannot be read.
// `paths`: each behind what it imports.
func (l *cleanLibrary) spread(paths []string, of inlinedNames) []string {
	var spread []string
	for _, path := range paths {
		var copies map[string]bool
		object, err := l.object(path)
		if err == nil {
			copies, err = object.copies(path, of, l.numbered)
		}
		if err != nil || len(copies) > 0 {
			spread = append(spread, path)
		}
		for name := range copies {
			of.add(path, name)
		}
	}
	return spread
}

func (e *earlyCutoff) listOf(path string) string {
	return filepath.Join(e.kept, passthrough.Lists, strings.ReplaceAll(path, "/", "%2f"))
}

// writeList: other packages are being compiled, and see it whole or not at all.
func (e *earlyCutoff) writeList(list notInlined) error {
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	to := e.listOf(list.Package)
	if err := makeDirectory(filepath.Dir(to)); err != nil {
		return err
	}
	unfinished := e.archiveOf(list.Package) + ".list"
	if err := os.WriteFile(unfinished, data, 0o666); err != nil {
		return err
	}
	return os.Rename(unfinished, to)
}

// makeDirectory: another process may do so at the same time.
func makeDirectory(path string) error {
	if err := os.MkdirAll(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// lists are there of all packages that a compilation can see, and perhaps of others.
func (e *earlyCutoff) lists() ([]notInlined, error) {
	if e.kept == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(e.kept, passthrough.Lists, "*"))
	if err != nil {
		return nil, err
	}
	all := make([]notInlined, len(files))
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &all[i])
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read which functions must not be inlined: %w", err)
		}
	}
	return all, nil
}

// withoutCopies makes the command line one that compiles no hooked function into its callers: `directory` gets changed
// export data of imports that would have it done. It answers whether there are such functions.
func (e *earlyCutoff) withoutCopies(c *compileArgs, directory string) (bool, error) {
	importcfg := c.value("importcfg")
	all, err := e.lists()
	if err != nil || len(all) == 0 || importcfg == "" {
		return false, err
	}
	data, err := os.ReadFile(importcfg)
	if err != nil {
		return false, fmt.Errorf("cannot read go build's importcfg: %w", err)
	}
	if err := makeDirectory(directory); err != nil {
		return false, fmt.Errorf("cannot make a place for changed export data: %w", err)
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		rest, ok := strings.CutPrefix(line, "packagefile ")
		if !ok {
			continue
		}
		path, file, _ := strings.Cut(rest, "=")
		to := filepath.Join(directory, fmt.Sprintf("import-%d.a", i))
		changed, err := forbidInlining(file, to, all)
		if err != nil {
			return false, fmt.Errorf("cannot have the hooked functions in %s left uninlined: %w", path, err)
		}
		if changed {
			lines[i] = "packagefile " + path + "=" + to
		}
	}
	changed := filepath.Join(directory, "importcfg-not-inlined")
	if err := os.WriteFile(changed, []byte(strings.Join(lines, "\n")), 0o666); err != nil {
		return false, fmt.Errorf("cannot write the importcfg: %w", err)
	}
	c.set("importcfg", changed)
	return true, nil
}

// forbidInlining writes what the compiler reads of an archive, if something in it has to be changed.
func forbidInlining(file, to string, all []notInlined) (bool, error) {
	archive, err := readGoArchive(file)
	if err != nil {
		return false, err
	}
	export, changed, err := archive.exportWithout(all)
	if err != nil || !changed {
		return false, err
	}
	return true, os.WriteFile(to, appendMember([]byte(archiveMagic), exportMember, export), 0o666)
}

func (a *goArchive) exportWithout(all []notInlined) (member []byte, changed bool, err error) {
	e, err := parseExportData(a.export)
	if err != nil {
		return nil, false, err
	}
	objects, err := e.objects()
	if err != nil {
		return nil, false, err
	}
	if changed, err = e.forbidInlining(objects, all); err != nil || !changed {
		return a.export, false, err
	}
	member, err = e.in(a.export)
	return member, true, err
}

func namesOf(all []notInlined) inlinedNames {
	names := inlinedNames{}
	for _, list := range all {
		for _, name := range list.Symbols {
			names.add(list.Package, name)
		}
	}
	return names
}
