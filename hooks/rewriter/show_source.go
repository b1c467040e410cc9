package main

import (
	"fmt"
	"os"
)

// runShowSource prints what the compiler would get for the files of a package that the rules change.
func runShowSource(args []string) error {
	a, err := parsePlanArgs(args)
	if err != nil {
		return err
	}
	if a.rules == "" || len(a.list) == 0 {
		return usageError("show-source needs --rules and a package")
	}
	set, err := readRules(a.rules)
	if err != nil {
		return err
	}
	listed, err := listPackages(a.list)
	if err != nil {
		return err
	}
	runtimeIs := runtimeDependencies(listed)
	sources := newSourceImporter(listed)
	shown := false
	for _, l := range listed {
		if l.DepOnly {
			continue
		}
		if why := untouchable(l.path(), l.Standard, runtimeIs); why != "" {
			return fmt.Errorf("package %s: %s", l.ImportPath, why)
		}
		p, err := l.source()
		if err != nil {
			return err
		}
		p.types = &typeLoader{load: func() *typeInfo { return checkTypes(p, p.linkPath, "", sources.of(l)) }}
		r, err := rewrite(p, set)
		if err != nil {
			return err
		}
		for _, f := range p.files {
			if data, ok := r.changed[f]; ok {
				fmt.Printf("// ---- %s\n%s\n", f.path, data)
				shown = true
			}
		}
		if len(r.sites) > 0 {
			fmt.Printf("// ---- sites of %s\n", l.ImportPath)
			os.Stdout.Write(r.extra)
		}
	}
	if !shown {
		return fmt.Errorf("no rule of %s changes a package that was named", set.File)
	}
	return nil
}

// listPackages is goList of packages that are there. "main" is what the program is called in rules, whatever its import
// path is.
func listPackages(args []string) ([]*listedPackage, error) {
	listed, err := goList(args...)
	if err != nil {
		return nil, err
	}
	for _, l := range listed {
		if l.DepOnly || len(l.GoFiles) > 0 || len(l.CgoFiles) > 0 {
			continue
		}
		if l.path() == "main" && inModule() {
			return listPrograms(args)
		}
		return nil, fmt.Errorf("no package '%s' with Go files; say an import path of the program or of the "+
			"standard library, or main", l.path())
	}
	return listed, nil
}

func listPrograms(args []string) ([]*listedPackage, error) {
	flags, _ := splitFlags(args)
	listed, err := goList(append(flags, "./...")...)
	if err != nil {
		return nil, err
	}
	found := false
	for _, l := range listed {
		l.DepOnly = l.DepOnly || l.Name != "main"
		found = found || !l.DepOnly
	}
	if !found {
		return nil, fmt.Errorf("no package main in this module: say another package's import path")
	}
	return listed, nil
}
