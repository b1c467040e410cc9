package main

import (
	"slices"
	"strings"
)

// editor gathers insertions into one file and writes the file with them. Behind each stands the comment that puts what
// follows back to its own line and column. No insertion has a newline: lines stay what they are.
type editor struct {
	f     *sourceFile
	edits []edit
}

type edit struct {
	at, remove int
	text       string
}

func (e *editor) insert(at int, text string) { e.replace(at, 0, text) }

func (e *editor) replace(at, remove int, text string) {
	e.edits = append(e.edits, edit{at, remove, text})
}

func (e *editor) apply() []byte {
	// Stable: what was inserted first at a place stands first.
	slices.SortStableFunc(e.edits, func(a, b edit) int { return a.at - b.at })
	var out strings.Builder
	done := 0
	for i, edit := range e.edits {
		out.Write(e.f.data[done:edit.at])
		out.WriteString(edit.text)
		done = edit.at + edit.remove
		if i+1 == len(e.edits) || e.edits[i+1].at != done {
			out.WriteString(e.f.lines.restore(done))
		}
	}
	out.Write(e.f.data[done:])
	return []byte(out.String())
}
