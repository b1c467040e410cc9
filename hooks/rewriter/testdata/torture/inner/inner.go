// Package inner has files that are hard to edit.
package inner

import _ "embed"

//go:embed text.txt
var text string

// Run runs what the other files have; where tells the caller's place.
func Run(where func(string)) {
	where("inner " + text)
	lines(where)
	lineOnly(where)
	windows(where)
	marked(where)
	unterminated(where)
	tagged(where)
}

func Deep(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	Deep(n-1, f)
}
