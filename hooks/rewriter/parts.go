package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Where no plan of the whole program was made, its parts are written as they come: each a line of one file.

// A person is shown as many (hook_notes), and whose source it is chooses how many there are and how long their names.
const (
	mostRefused     = 100
	mostRefusedName = 1000
)

// addPart adds what a plan would say of one package.
func addPart(path string, p *sourcePackage, set *ruleSet, why string) error {
	found := set.find(p, everyRule(set), why)
	part := newPlan()
	for _, refused := range found.refused[:min(len(found.refused), mostRefused)] {
		refused.Function = refused.Function[:min(len(refused.Function), mostRefusedName)]
		part.Refused = append(part.Refused, refused)
	}
	part.Rules = set.summaries([]*packageFinds{found})
	return part.add(path)
}

// addLinked adds which packages the linker is given.
func addLinked(path, importcfg string) error {
	data, err := os.ReadFile(importcfg)
	if err != nil {
		return fmt.Errorf("cannot read go build's importcfg: %w", err)
	}
	part := newPlan()
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "packagefile "); ok {
			name, _, _ := strings.Cut(rest, "=")
			part.Linked = append(part.Linked, name)
		}
	}
	return part.add(path)
}

// add writes the line at once: compilers of several packages do so at the same time.
func (p *plan) add(path string) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("cannot add to the plan: %w", err)
	}
	defer file.Close()
	if _, err := file.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("cannot add to the plan: %w", err)
	}
	return nil
}
