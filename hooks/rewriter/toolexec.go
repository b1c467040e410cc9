package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"sandbox-run/hooks/rewriter/passthrough"
)

// Theory of operation: go build starts every tool through `rewriter toolexec … TOOL ARGS`. Three things happen:
//   - A compilation without -sandbox-hook, and every tool but compile and link: the tool takes this process's place. Where
//     hooked functions must not be inlined the compiler is told so (inlined_copies.go).
//   - The linker gets one more line in its importcfg: where the hook runtime is; and hooked archives that were kept
//     aside (early_cutoff.go) in place of the clean ones.
//   - A compilation with the flag: changed copies of the files are compiled in place of the originals, under the
//     originals' names (-trimpath). If that fails, or nothing in them is hooked, the originals are compiled.
// With --plan, what a plan would have said of a package is added to that file as it is compiled, and of which packages
// the program is when it is linked.

const runtimeImport = "internal/sandboxhook"

type toolexec struct {
	rules, runtime string
	cutoff         earlyCutoff
	plan, objects  string
	tool           string
	args           []string
}

// runToolexec answers only if a tool ran as a child or something failed.
func runToolexec(args []string) error {
	t, err := parseToolexec(args)
	if err != nil {
		return err
	}
	switch {
	case passthrough.Untouched(t.cutoff.kept, t.tool, t.args):
		return t.become(t.args)
	case filepath.Base(t.tool) == "link":
		return t.link()
	case isHooked(t.args):
		return t.compile()
	}
	return t.compileUnhooked()
}

// runCompile compiles one package with its hooks where no go build asks for it.
func runCompile(args []string) error {
	t, err := parseToolexec(args)
	if err != nil {
		return err
	}
	if t.rules == "" || t.runtime == "" || t.plan == "" || t.objects == "" {
		return usageError("compile needs --rules, --runtime, --plan and --objects")
	}
	return t.compile()
}

func parseToolexec(args []string) (*toolexec, error) {
	t := &toolexec{}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name, value, joined := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
		args = args[1:]
		if !joined && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		switch name {
		case "rules":
			t.rules = value
		case "runtime":
			t.runtime = value
		case "clean":
			t.cutoff.clean = value
		case "kept":
			t.cutoff.kept = value
		case "plan":
			t.plan = value
		case "objects":
			t.objects = value
		default:
			return nil, usageError("there is no flag -" + name)
		}
	}
	if len(args) == 0 {
		return nil, usageError("there is no tool to run")
	}
	t.tool, t.args = args[0], args[1:]
	return t, nil
}

func (t *toolexec) become(args []string) error {
	err := syscall.Exec(t.tool, append([]string{t.tool}, args...), os.Environ())
	return fmt.Errorf("cannot run %s: %w", t.tool, err)
}

// compileUnhooked compiles a package that no rule touches: its imports may have hooks.
func (t *toolexec) compileUnhooked() error {
	c, err := parseCompileArgs(t.args)
	if err != nil {
		return err
	}
	if changed, err := t.cutoff.withoutCopies(c, t.ownObjects(c)); err != nil {
		return err
	} else if !changed {
		return t.become(t.args)
	}
	return t.become(c.all())
}

// ownObjects is a directory for what the rewriter makes for one compilation.
func (t *toolexec) ownObjects(c *compileArgs) string {
	objects := t.objects
	if objects == "" {
		objects = filepath.Dir(c.value("o"))
	}
	return filepath.Join(objects, "sandbox-hook")
}

// link adds the hook runtime to the packages the linker knows; it is loaded only if a package refers to it.
func (t *toolexec) link() error {
	c, err := parseCompileArgs(t.args)
	if err != nil {
		return err
	}
	from := c.value("importcfg")
	if from == "" || t.runtime == "" {
		return t.become(t.args)
	}
	if t.plan != "" {
		if err := addLinked(t.plan, from); err != nil {
			return err
		}
	}
	to := from + ".sandbox-hook"
	if err := t.addRuntime(from, to, true); err != nil {
		return err
	}
	args := append([]string{}, t.args...)
	if len(args) == 1 && strings.HasPrefix(args[0], "@") {
		args = c.all()
	}
	for i := range args {
		switch {
		case args[i] == from:
			args[i] = to
		case strings.TrimLeft(args[i], "-") == "importcfg="+from:
			args[i] = "-importcfg=" + to
		}
	}
	return t.become(args)
}

// ourSetting is what the build information (debug.ReadBuildInfo), a quoted Go string to the linker, has of our flags.
var ourSetting = regexp.MustCompile(`build\\t-gcflags=[^\\]*\\n`)

func (t *toolexec) addRuntime(from, to string, toLink bool) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("cannot read go build's importcfg: %w", err)
	}
	if toLink {
		data = ourSetting.ReplaceAll(data, nil)
		if t.cutoff.kept != "" {
			if data, err = t.cutoff.linkerArchives(data); err != nil {
				return err
			}
		}
	}
	data = append(bytes.TrimRight(data, "\n"), []byte("\npackagefile "+runtimeImport+"="+t.runtime+"\n")...)
	if err := os.WriteFile(to, data, 0o666); err != nil {
		return fmt.Errorf("cannot write the importcfg: %w", err)
	}
	return nil
}

func (t *toolexec) compile() error {
	set, err := readRules(t.rules)
	if err != nil {
		return err
	}
	c, err := parseCompileArgs(t.args)
	if err != nil {
		return err
	}
	// cmd/go lets the compiler use one thread when it sees a flag it does not know; that flag is ours.
	c.set("c", strconv.Itoa(min(4, runtime.NumCPU())))
	importcfg := c.value("importcfg")
	uninlined, err := t.cutoff.withoutCopies(c, t.ownObjects(c))
	if err != nil {
		return err
	}
	p, err := compiledPackage(c)
	if err != nil {
		if err := t.clean(c); err != nil {
			return err // a syntax error: the compiler says it better
		}
		fmt.Fprintf(os.Stderr, "sandbox-run-hook: unhooked %s: %v\n", importPathOf(c.value("p")), err)
		return nil
	}
	if len(p.files) == 0 || p.isTestMain(c) {
		return t.become(c.all())
	}
	why := untouchable(p.importPath, c.has("-std"), nil)
	if t.plan != "" {
		if err := addPart(t.plan, p, set, why); err != nil {
			return err
		}
	}
	r := &rewritten{}
	if why == "" { // else it is compiled again for its copies of what is hooked elsewhere
		if r, err = rewrite(p, set); err != nil {
			return err
		}
	}
	if len(r.sites) == 0 {
		if !uninlined || t.cutoff.clean == "" {
			return t.become(c.all())
		}
		if err := t.clean(c); err != nil {
			return err
		}
		return t.cutOff(c, importcfg, p, r)
	}
	hooked, err := t.prepare(c, p, r)
	if err != nil {
		return err
	}
	output, err := run(t.tool, hooked.all())
	if err == nil {
		os.Stdout.Write(output)
		return t.cutOff(c, importcfg, p, r)
	}
	return t.fallBack(c, p, r, set, firstError(output, err))
}

// cutOff lets importers see nothing of what was compiled, if it can; where not, they are compiled anew.
func (t *toolexec) cutOff(c *compileArgs, importcfg string, p *sourcePackage, r *rewritten) error {
	if t.cutoff.clean == "" {
		return nil
	}
	var remains copyRemains
	if errors.As(t.cutoff.apply(c, importcfg, p, r), &remains) {
		return remains // nobody would compile it once more
	}
	return nil
}

// fallBack compiles the originals. If they do not compile either, the package was never good, and only that is said.
func (t *toolexec) fallBack(c *compileArgs, p *sourcePackage, r *rewritten, set *ruleSet, why string) error {
	if err := t.clean(c); err != nil {
		return err
	}
	for _, s := range r.sites {
		if s.rule.strict() {
			return set.errorAt(s.rule, why)
		}
	}
	fmt.Fprintf(os.Stderr, "sandbox-run-hook: unhooked %s: %s\n", p.importPath, why)
	return nil
}

func (t *toolexec) clean(c *compileArgs) error {
	output, err := run(t.tool, c.all())
	os.Stdout.Write(output)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitStatus(exit.ExitCode())
	}
	return err
}

func run(tool string, args []string) ([]byte, error) {
	command := exec.Command(tool, args...)
	return command.CombinedOutput()
}

func firstError(output []byte, err error) string {
	for _, line := range strings.Split(string(output), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return withoutDirectory(line)
		}
	}
	return err.Error()
}

// withoutDirectory: the compiler was given copies, and where those were is nobody's affair.
func withoutDirectory(message string) string {
	file, rest, ok := strings.Cut(message, ":")
	if !ok {
		return message
	}
	return filepath.Base(file) + ":" + rest
}

// compiledPackage reads the package that a compiler's command line speaks of.
func compiledPackage(c *compileArgs) (*sourcePackage, error) {
	directory, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	p := &sourcePackage{linkPath: c.value("p"), importPath: importPathOf(c.value("p"))}
	rewrites := c.value("trimpath")
	p.display = func(path string) string { return expandGoroot(sourcePath(path, rewrites)) }
	p.assembly = readSymabis(c.value("symabis"), p.linkPath)
	p.fset = token.NewFileSet()
	p.exact = true
	p.types = &typeLoader{load: func() *typeInfo { return compiledTypes(p, c) }}
	if p.files, err = parseFiles(p.fset, c.files, directory); err != nil || len(p.files) == 0 {
		return p, err
	}
	p.directory = packageDirectory(p, directory, filepath.Dir(c.value("o")))
	p.module = moduleOf(p.directory, p.importPath, c.has("-std"))
	return p, nil
}

func compiledTypes(p *sourcePackage, c *compileArgs) *typeInfo {
	from, err := compiledImporter(p.fset, c.value("importcfg"))
	if err != nil {
		return &typeInfo{info: &types.Info{}}
	}
	return checkTypes(p, p.linkPath, c.value("lang"), from)
}

// isTestMain: the main package of a test binary is go test's own, one file that it wrote among its objects.
func (p *sourcePackage) isTestMain(c *compileArgs) bool {
	return len(p.files) == 1 && filepath.Base(p.files[0].full) == "_testmain.go" &&
		filepath.Dir(p.files[0].path) == filepath.Dir(c.value("o"))
}

// packageDirectory is where the package's source lies. Files that go build generated (cgo, coverage) lie among its
// objects and say in a line directive where they come from.
func packageDirectory(p *sourcePackage, directory, objects string) string {
	for _, f := range p.files {
		if filepath.Dir(f.full) != resolve(directory, objects) {
			return filepath.Dir(f.full)
		}
	}
	for _, f := range p.files {
		if name, ok := f.lines.directiveFile(f.offset(f.syntax.Name.Pos())); ok && filepath.IsAbs(name) {
			return filepath.Dir(name)
		}
	}
	return directory
}

// importPathOf: a program's package is "main" to the compiler; go build tells the import path aside, followed by the
// test it is built for, if any.
func importPathOf(linkPath string) string {
	described, _, _ := strings.Cut(os.Getenv("TOOLEXEC_IMPORTPATH"), " ")
	if described == "" {
		return linkPath
	}
	return described
}

// readSymabis lists the Go functions that assembly files refer to.
func readSymabis(path, linkPath string) map[string]bool {
	found := map[string]bool{}
	data, err := os.ReadFile(path)
	if err != nil {
		return found
	}
	for _, line := range strings.Split(string(data), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "ref" {
			name := strings.TrimPrefix(fields[1], symbolPrefix(linkPath)+".")
			found[strings.TrimPrefix(name, `"".`)] = true
		}
	}
	return found
}

// prepare writes the changed files and answers the command line that compiles them.
func (t *toolexec) prepare(c *compileArgs, p *sourcePackage, r *rewritten) (*compileArgs, error) {
	base := t.ownObjects(c)
	if err := makeDirectory(base); err != nil {
		return nil, fmt.Errorf("cannot make a place for the hooked files: %w", err)
	}
	rewrites := c.value("trimpath")
	hooked := &compileArgs{flags: append([]string{}, c.flags...)}
	w := &hookedWriter{base: base, places: map[string]string{}}
	sites := w.write("sandbox-hook", "sites.go", false, r.extra)
	hooked.files = append(hooked.files, sites)
	for _, f := range p.files {
		if data, ok := r.changed[f]; ok {
			name := sourcePath(f.full, rewrites)
			directory, file := filepath.Split(name) // "./", which a file named alone keeps, and not "."
			hooked.files = append(hooked.files, w.write(strings.TrimSuffix(directory, "/"), file,
				filepath.Dir(f.path) == ".", data))
		} else {
			hooked.files = append(hooked.files, f.path)
		}
	}
	if w.err != nil {
		return nil, fmt.Errorf("cannot write a hooked file: %w", w.err)
	}
	hooked.set("trimpath", strings.Join(append(w.rewrites, rewrites), ";"))
	importcfg := filepath.Join(base, "importcfg")
	if err := t.addRuntime(c.value("importcfg"), importcfg, false); err != nil {
		return nil, err
	}
	hooked.set("importcfg", importcfg)
	return hooked, nil
}

// hookedWriter keeps one directory for each directory the files are to be attributed to.
type hookedWriter struct {
	base     string
	places   map[string]string
	rewrites []string
	err      error
}

// write puts a file into the place for its directory. beside: the compiler was given its name alone, and what a line
// directive in it names is relative to nothing; then only the file itself is attributed to the directory.
func (w *hookedWriter) write(directory, name string, beside bool, data []byte) string {
	key := fmt.Sprint(beside, directory)
	place, ok := w.places[key]
	if !ok {
		place = filepath.Join(w.base, strconv.Itoa(len(w.places)))
		w.places[key] = place
		if err := os.MkdirAll(place, 0o777); err != nil {
			w.err = err
		}
	}
	path := filepath.Join(place, name)
	switch {
	case beside:
		attributed := name
		if directory != "" {
			attributed = directory + "/" + name
		}
		w.rewrites = append([]string{path + "=>" + attributed}, w.rewrites...)
		if !ok {
			w.rewrites = append(w.rewrites, place+"=>")
		}
	case !ok:
		w.rewrites = append(w.rewrites, place+"=>"+directory)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		w.err = err
	}
	return path
}
