package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Theory of operation: a hook in package os changes os, and go build then compiles anew all that imports it, most of the
// standard library. But what importers see of os is seldom changed: a hook at the beginning of a function that is too
// large to be inlined, and that keeps its parameters to itself as before, is the function's own affair. For such a package
// there are two archives:
//   - the clean one, under the hooked one's build ID, is what go build gets: its content is what importers were compiled
//     against before, so go build finds them in its cache (early cutoff, as build systems call it);
//   - the hooked one is kept aside, with its symbols numbered as in the clean one and with the clean one's export data and
//     fingerprint, and takes the clean one's place when the program is linked.
// Whether that may be is decided by the compiler's own output alone (sameToImporters); and by where the hooks are, for
// importers have copies of inlined and of generic functions.

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

// apply decides about a hooked package that was just compiled into output. An error says why its importers have to be
// compiled again; the output is then as it was.
func (e *earlyCutoff) apply(c *compileArgs, p *sourcePackage, r *rewritten) error {
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
	if err := sameImports(c.value("importcfg"), archives); err != nil {
		return err
	}
	cleanData, err := os.ReadFile(archives[p.importPath])
	if err != nil {
		return err
	}
	clean, err := parseArchive(cleanData)
	if err != nil {
		return err
	}
	output := c.value("o")
	hookedData, err := os.ReadFile(output)
	if err != nil {
		return err
	}
	hooked, err := parseArchive(hookedData)
	if err != nil {
		return err
	}
	if err := standIn(hooked, clean); err != nil {
		return err
	}
	kept := e.archiveOf(p.importPath)
	if err := os.MkdirAll(filepath.Dir(kept), 0o777); err != nil && !os.IsExist(err) {
		return err
	}
	// Both or neither, on a full disk too.
	standing := output + ".clean"
	err = os.WriteFile(standing, clean.asCompiled(c.value("buildid")), 0o666)
	if err == nil {
		err = os.WriteFile(kept, hooked.bytes(), 0o666)
	}
	if err == nil {
		err = os.Rename(standing, output)
	}
	if err != nil {
		os.Remove(standing)
		os.Remove(kept)
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
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	archive, err := parseArchive(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return fingerprint(archive.export)
}

// standIn makes the hooked archive one that can be linked in place of the clean one.
func standIn(hooked, clean *goArchive) error {
	cleanObject, err := parseObject(clean.object)
	if err != nil {
		return err
	}
	hookedObject, err := parseObject(hooked.object)
	if err != nil {
		return err
	}
	cleanSymbols, err := cleanObject.symbols()
	if err != nil {
		return err
	}
	hookedSymbols, err := hookedObject.symbols()
	if err != nil {
		return err
	}
	cleanExport, err := parseExportData(clean.export)
	if err != nil {
		return err
	}
	hookedExport, err := parseExportData(hooked.export)
	if err != nil {
		return err
	}
	numbers, err := likeNumbers(hookedSymbols, cleanSymbols)
	if err != nil {
		return err
	}
	why := sameToImporters(cleanExport, hookedExport, func(a, b int64) bool {
		return b >= 0 && b < int64(len(numbers)) && int64(numbers[b]) == a && hookedSymbols[b] != "" &&
			a < int64(len(cleanSymbols)) && hookedSymbols[b] == cleanSymbols[a]
	})
	if why != "" {
		return fmt.Errorf("%s", why)
	}
	if err := hookedObject.renumber(numbers); err != nil {
		return err
	}
	copy(hookedObject.fingerprint(), cleanObject.fingerprint())
	hooked.export, hooked.rest = clean.export, clean.rest
	return nil
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
