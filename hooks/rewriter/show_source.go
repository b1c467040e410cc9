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
	listed, err := goList(a.list...)
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
		if why := untouchable(l.path(), runtimeIs); why != "" {
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
