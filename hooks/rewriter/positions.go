package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"sort"
	"strconv"
	"strings"
)

// Theory of operation: an insertion moves what follows it on its line. The compiler is told where it really stands by a
// `/*line …*/` comment right behind the insertion. What that comment must say depends on the last line directive of
// the source before it (cmd/compile/internal/syntax, parser.updateBase): with none, or with one that has a column, the
// form ":line:column" keeps the file name in force; after one without a column the columns are unknown, and must stay
// so, which takes the form "file:line" with the same file name again.

// lineBase is a line directive of the source, or the start of the file.
type lineBase struct {
	offset    int    // of the first byte it speaks of
	physical  int    // line of that byte
	column    int    // column of that byte
	file      string // as the directive gives it; "" at the start of the file
	line      int    // what the directive says
	lineCol   int    // 0: columns unknown
	inherited bool   // the file name is the one in force before
}

// lineTable answers what the compiler believes of a byte's place.
type lineTable struct {
	starts []int // offset of each physical line
	bases  []lineBase
	usable bool // false: a directive cannot be written out again
}

func newLineTable(data []byte, file *ast.File, offsetOf func(ast.Node) int) *lineTable {
	t := &lineTable{starts: []int{0}, usable: true}
	for at := 0; ; {
		next := bytes.IndexByte(data[at:], '\n')
		if next < 0 {
			break
		}
		at += next + 1
		t.starts = append(t.starts, at)
	}
	t.bases = []lineBase{{physical: 1, column: 1, line: 1, lineCol: 1, inherited: true}}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			t.addDirective(data, comment.Text, offsetOf(comment))
		}
	}
	return t
}

func (t *lineTable) addDirective(data []byte, text string, offset int) {
	var says string
	var after int
	_, column := t.physical(offset)
	switch {
	case strings.HasPrefix(text, "//line ") && column == 1:
		end := bytes.IndexByte(data[offset:], '\n')
		if end < 0 {
			return
		}
		after = offset + end + 1
		says = strings.TrimSuffix(string(data[offset+len("//line "):after-1]), "\r")
	case strings.HasPrefix(text, "/*line "):
		end := bytes.Index(data[offset:], []byte("*/"))
		after = offset + end + 2
		says = string(data[offset+len("/*line ") : offset+end])
	default:
		return
	}
	base, ok := parseLineDirective(says)
	if !ok {
		return
	}
	base.offset = after
	base.physical, base.column = t.physical(after)
	if strings.Contains(base.file, "*/") {
		t.usable = false
	}
	t.bases = append(t.bases, base)
}

// parseLineDirective reads "file:line" or "file:line:column".
func parseLineDirective(says string) (lineBase, bool) {
	head, last, ok := trailingNumber(says)
	if !ok {
		return lineBase{}, false
	}
	if file, line, ok := trailingNumber(head); ok {
		return lineBase{file: file, line: line, lineCol: last, inherited: file == ""}, last > 0 && line > 0
	}
	return lineBase{file: head, line: last}, last > 0
}

func trailingNumber(text string) (string, int, bool) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return text, 0, false
	}
	number, err := strconv.ParseUint(text[colon+1:], 10, 30)
	return text[:colon], int(number), err == nil
}

func (t *lineTable) physical(offset int) (line, column int) {
	line = sort.SearchInts(t.starts, offset+1)
	return line, offset - t.starts[line-1] + 1
}

func (t *lineTable) base(offset int) int {
	return sort.Search(len(t.bases), func(i int) bool { return t.bases[i].offset > offset }) - 1
}

// position is a byte's line and column as the compiler reports them; column 0 is unknown.
func (t *lineTable) position(offset int) (line, column int) {
	physical, column := t.physical(offset)
	base := t.bases[t.base(offset)]
	line = base.line + physical - base.physical
	if base.lineCol == 0 {
		return line, 0
	}
	if physical == base.physical {
		column = base.lineCol + column - base.column
	}
	return line, column
}

// directiveFile is the file name that a line directive before a byte gives it, if there is one.
func (t *lineTable) directiveFile(offset int) (string, bool) {
	at := t.base(offset)
	for at > 0 && t.bases[at].inherited {
		at--
	}
	return t.bases[at].file, at > 0
}

// restore is the comment that puts the byte at offset back to its place.
func (t *lineTable) restore(offset int) string {
	line, column := t.position(offset)
	if column != 0 {
		return fmt.Sprintf("/*line :%d:%d*/", line, column)
	}
	return fmt.Sprintf("/*line %s:%d*/", t.bases[t.base(offset)].file, line)
}
