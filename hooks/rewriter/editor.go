package main

import (
	"cmp"
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
	closing    bool // of a pair around an expression
	sequence   int
}

func (e *editor) insert(at int, text string) { e.replace(at, 0, text) }

func (e *editor) replace(at, remove int, text string) {
	e.edits = append(e.edits, edit{at: at, remove: remove, text: text, sequence: len(e.edits)})
}

// wrap puts text before and behind an expression. Outer expressions are wrapped before inner ones.
func (e *editor) wrap(from, to int, before, behind string) {
	e.insert(from, before)
	e.edits = append(e.edits, edit{at: to, text: behind, closing: true, sequence: len(e.edits)})
}

func (e *editor) mentions(text string) bool {
	return slices.ContainsFunc(e.edits, func(one edit) bool { return strings.Contains(one.text, text) })
}

// order: at one place what closes stands before what opens, the innermost first; what opens, the outermost first.
func order(a, b edit) int {
	switch {
	case a.at != b.at:
		return cmp.Compare(a.at, b.at)
	case a.closing != b.closing:
		if a.closing {
			return -1
		}
		return +1
	case a.closing:
		return cmp.Compare(b.sequence, a.sequence)
	}
	return cmp.Compare(a.sequence, b.sequence)
}

func (e *editor) apply() []byte {
	slices.SortFunc(e.edits, order)
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
