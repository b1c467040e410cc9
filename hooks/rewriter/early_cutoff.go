package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Theory of operation: a hook in package os changes os, and go build then compiles anew all that imports it, most of the
// standard library. But what importers see of os is seldom changed: a hook at the beginning of a function that keeps its
// parameters to itself as before is the function's own affair. For such a package there are two archives:
//   - the clean one, under the hooked one's build ID, is what go build gets: its content is what importers were compiled
//     against before, so go build finds them in its cache (early cutoff, as build systems call it);
//   - the hooked one is kept aside, with its symbols numbered as in the clean one and with the clean one's export data and
//     fingerprint, and takes the clean one's place when the program is linked.
// Whether that may be is decided by the compiler's own output alone (same_to_importers.go); and by where the hooks are.
// Importers with a copy of a hooked function are compiled again (inlined_copies.go), each with an early cutoff of its
// own. A program's own packages are not cached beyond their build, and are told in the same way what not to inline.

// earlyCutoff says where clean archives are and where hooked ones are kept; it is nothing in a program's own build.
type earlyCutoff struct {
	clean string // file of "path=archive" lines, the archive relative to GOCACHE
	kept  string // directory of PATH.a files; the linker's archives in any build
}

func (e *earlyCutoff) archiveOf(importPath string) string {
	return filepath.Join(e.kept, filepath.FromSlash(importPath)+".a")
}

// cleanArchives maps packages to files.
func (e *earlyCutoff) cleanArchives() (map[string]string, error) {
	data, err := os.ReadFile(e.clean)
	if err != nil {
		return nil, err
	}
	archives := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		if path, file, ok := strings.Cut(line, "="); ok {
			archives[path] = filepath.Join(os.Getenv("GOCACHE"), file)
		}
	}
	return archives, nil
}

// apply decides about a package that was just compiled with hooks, or without copies of hooked functions. `importcfg`: what
// go build listed. An error says why its importers have to be compiled again; the output is then as it was.
func (e *earlyCutoff) apply(c *compileArgs, importcfg string, p *sourcePackage, r *rewritten) error {
	for _, s := range r.sites {
		switch {
		case s.kind != siteFunction, s.fn.literal:
			return fmt.Errorf("%s may be part of what importers inline", s.functionName())
		case strings.Contains(s.fn.name, "[...]"):
			return fmt.Errorf("importers have instances of %s", s.fn.name)
		}
	}
	archives, err := e.cleanArchives()
	if err != nil {
		return err
	}
	if err := sameImports(importcfg, archives); err != nil {
		return err
	}
	clean, err := readGoArchive(archives[p.importPath])
	if err != nil {
		return err
	}
	output := c.value("o")
	hooked, err := readGoArchive(output)
	if err != nil {
		return err
	}
	known, err := e.lists()
	if err != nil {
		return err
	}
	functions := map[string]bool{}
	for _, s := range r.sites {
		functions[s.fn.name] = true
	}
	in := &replacement{path: p.importPath, functions: functions, elsewhere: namesOf(known),
		numbered: newCleanLibrary(archives).numbered}
	list, err := in.standIn(hooked, clean)
	if err != nil {
		return err
	}
	kept := e.archiveOf(p.importPath)
	if err := makeDirectory(filepath.Dir(kept)); err != nil {
		return err
	}
	// All or nothing, on a full disk too.
	standing := output + ".clean"
	err = os.WriteFile(standing, clean.asCompiled(c.value("buildid")), 0o666)
	if err == nil {
		err = os.WriteFile(kept, hooked.bytes(), 0o666)
	}
	if err == nil && len(list.Symbols) > 0 {
		err = e.writeList(list)
	}
	if err == nil {
		err = os.Rename(standing, output)
	}
	if err != nil {
		os.Remove(standing)
		os.Remove(kept)
		os.Remove(e.listOf(p.importPath))
	}
	return err
}

// sameImports: numbers of symbols of other packages are passed on, so those must be the clean ones' to begin with.
func sameImports(importcfg string, archives map[string]string) error {
	data, err := os.ReadFile(importcfg)
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(data), "\n") {
		rest, ok := strings.CutPrefix(line, "packagefile ")
		if !ok {
			continue
		}
		path, file, _ := strings.Cut(rest, "=")
		if archives[path] == "" {
			return fmt.Errorf("it imports %s, which is not in the clean standard library", path)
		}
		clean, err := readFingerprint(archives[path])
		if err != nil {
			return err
		}
		given, err := readFingerprint(file)
		if err != nil {
			return err
		}
		if !bytes.Equal(clean, given) {
			return fmt.Errorf("it imports %s, which looks different with its hooks", path)
		}
	}
	return nil
}

func readFingerprint(file string) ([]byte, error) {
	archive, err := readGoArchive(file)
	if err != nil {
		return nil, err
	}
	return fingerprint(archive.export)
}

// replacement is a hooked package that is to take a clean one's place.
type replacement struct {
	path      string
	functions map[string]bool // with hooks
	elsewhere inlinedNames    // functions of other packages that must not be inlined
	numbered  numberedNames   // of the clean packages
}

// copyRemains: a function was compiled into its caller although the compiler was told otherwise.
type copyRemains string

func (e copyRemains) Error() string { return string(e) }

// standIn makes the hooked archive one that can be linked in place of the clean one. It answers what importers must not
// inline.
func (in *replacement) standIn(hooked, clean *goArchive) (notInlined, error) {
	cleanObject, err := parseObject(clean.object)
	if err != nil {
		return notInlined{}, err
	}
	hookedObject, err := parseObject(hooked.object)
	if err != nil {
		return notInlined{}, err
	}
	c, err := in.compare(hooked, clean, hookedObject, cleanObject)
	if err != nil {
		return notInlined{}, err
	}
	list, err := c.sameToImporters()
	if err != nil {
		return notInlined{}, err
	}
	for _, name := range list.Symbols {
		// Only the function's own calls show where it was inlined.
		number := slices.IndexFunc(c.cleanSymbols, func(symbol string) bool { return symbol == name+" 1" })
		if number < 0 {
			return notInlined{}, fmt.Errorf("importers may have copies of %s", name)
		}
		if calls, err := cleanObject.callsOthers(number); err != nil || !calls {
			return notInlined{}, fmt.Errorf("importers may have copies of %s that cannot be seen", name)
		}
	}
	export, _, err := clean.exportWithout([]notInlined{list})
	if err != nil {
		return notInlined{}, err
	}
	if err := hookedObject.renumber(c.numbers); err != nil {
		return notInlined{}, err
	}
	copy(hookedObject.fingerprint(), cleanObject.fingerprint())
	hooked.export, hooked.rest = export, clean.rest
	return list, nil
}

func (in *replacement) compare(hooked, clean *goArchive, hookedObject, cleanObject *objectFile) (*importersView, error) {
	c := &importersView{path: in.path, functions: in.functions}
	var err error
	if c.cleanSymbols, err = cleanObject.symbols(); err != nil {
		return nil, err
	}
	if c.hookedSymbols, err = hookedObject.symbols(); err != nil {
		return nil, err
	}
	if c.numbers, err = likeNumbers(c.hookedSymbols, c.cleanSymbols); err != nil {
		return nil, err
	}
	c.places = make([]int, len(c.numbers))
	for i, number := range c.numbers {
		c.places[number] = i
	}
	if remaining, err := hookedObject.copies(in.path, in.elsewhere, in.numbered); err != nil {
		return nil, err
	} else if len(remaining) > 0 {
		return nil, copyRemains(fmt.Sprintf("package %s has copies of hooked functions in %s although the compiler was told not to inline "+
			"them: this toolchain has another way of telling, and its standard library cannot be hooked", in.path,
			strings.Join(slices.Sorted(maps.Keys(remaining)), ", ")))
	}
	hookable := maps.Clone(in.elsewhere)
	hookable[in.path] = in.functions
	numbered := func(path string) ([]string, error) {
		if path == in.path {
			return c.cleanSymbols, nil
		}
		return in.numbered(path)
	}
	if c.copying, err = cleanObject.copies(in.path, hookable, numbered); err != nil {
		return nil, err
	}
	if c.clean, err = parseExportData(clean.export); err != nil {
		return nil, err
	}
	if c.hooked, err = parseExportData(hooked.export); err != nil {
		return nil, err
	}
	c.shapes, err = clean.shapes(in.path)
	return c, err
}

// asCompiled is the archive as it was before go build added what assembly files came to and the content's hash.
func (a *goArchive) asCompiled(buildID string) []byte {
	out := (&goArchive{export: a.export, object: a.object}).bytes()
	return bytes.ReplaceAll(out, []byte(a.buildID()), []byte(buildID))
}

// linkerArchives puts kept archives in place of those that go build lists.
func (e *earlyCutoff) linkerArchives(importcfg []byte) ([]byte, error) {
	lines := strings.Split(string(importcfg), "\n")
	for i, line := range lines {
		rest, ok := strings.CutPrefix(line, "packagefile ")
		if !ok {
			continue
		}
		path, _, _ := strings.Cut(rest, "=")
		kept := e.archiveOf(path)
		if _, err := os.Stat(kept); err == nil {
			lines[i] = "packagefile " + path + "=" + kept
		} else if !os.IsNotExist(err) {
			return nil, fmt.Errorf("cannot look for the hooked archive of %s: %w", path, err)
		}
	}
	return []byte(strings.Join(lines, "\n")), nil
}
