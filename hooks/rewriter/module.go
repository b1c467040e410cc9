package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// moduleID is the module a package comes from. The standard library is the module "std". The main module, and one
// replaced by a directory, have no version.
type moduleID struct {
	path, version string
}

func (m moduleID) matches(j *joinPoint) bool {
	return m.path != "" && matchAny(j.globs, m.path) && (j.modver == nil || matchAny(j.modver, m.version))
}

// moduleOf tells the module from where the package's source lies: the compiler is not told, and both the plan and the
// compilation must come to the same answer.
func moduleOf(directory, importPath string, standard bool) moduleID {
	if standard {
		return moduleID{path: "std"}
	}
	if id, ok := cachedModule(directory, importPath); ok {
		return id
	}
	if id, ok := vendoredModule(directory, importPath); ok {
		return id
	}
	for at := directory; ; at = filepath.Dir(at) {
		if data, err := os.ReadFile(filepath.Join(at, "go.mod")); err == nil {
			return moduleID{path: modulePath(data)}
		}
		if at == filepath.Dir(at) {
			return moduleID{}
		}
	}
}

// cachedModule reads …/path@version/rest, the layout of the module cache, where an upper-case letter is written as an
// exclamation mark and the lower-case one.
func cachedModule(directory, importPath string) (moduleID, bool) {
	at := strings.LastIndexByte(directory, '@')
	if at < 0 {
		return moduleID{}, false
	}
	version, rest, _ := strings.Cut(directory[at+1:], "/")
	path := importPath
	if rest != "" {
		path = strings.TrimSuffix(importPath, "/"+rest)
	}
	if !strings.HasSuffix(unescapeModule(directory[:at]), path) {
		// The package of a program: its import path is "main" or a list of files.
		path = unescapeModule(directory[:at])
		if cut := strings.LastIndex(path, "/mod/"); cut >= 0 {
			path = path[cut+len("/mod/"):]
		}
	}
	return moduleID{path: path, version: unescapeModule(version)}, true
}

func unescapeModule(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '!' && i+1 < len(text) && text[i+1] >= 'a' && text[i+1] <= 'z' {
			i++
			b.WriteByte(text[i] - 'a' + 'A')
		} else {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// vendoredModule reads "# path version" lines of vendor/modules.txt.
func vendoredModule(directory, importPath string) (moduleID, bool) {
	root, ok := strings.CutSuffix(directory, "/vendor/"+importPath)
	if !ok {
		return moduleID{}, false
	}
	data, err := os.ReadFile(filepath.Join(root, "vendor", "modules.txt"))
	if err != nil {
		return moduleID{}, false
	}
	best := moduleID{}
	for _, line := range strings.Split(string(data), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "#" || fields[1] != importPath && !strings.HasPrefix(importPath, fields[1]+"/") {
			continue
		}
		if len(fields[1]) > len(best.path) {
			best = moduleID{path: fields[1], version: strings.TrimPrefix(fields[2], "=>")}
		}
	}
	return best, best.path != ""
}

func modulePath(gomod []byte) string {
	for _, line := range bytes.Split(gomod, []byte("\n")) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "module"); ok {
			rest, _, _ = strings.Cut(rest, "//")
			if rest = strings.Trim(strings.TrimSpace(rest), "\"`"); rest != "" {
				return rest
			}
		}
	}
	return ""
}
