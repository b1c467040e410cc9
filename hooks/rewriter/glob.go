package main

import "strings"

// glob is a compiled name pattern. `*` stands for any run of characters without '/' and '.', `**` for any run at all;
// everything else stands for itself. "(*" is a literal star, since that is how Go writes a pointer receiver; "(*)" is
// "(*" and then any receiver.
type glob struct {
	text  string
	parts []globPart
}

type globPart struct {
	star    bool // any run of characters…
	crosses bool // …and '/' and '.' too
	literal byte
}

func compileGlob(text string) glob {
	g := glob{text: text}
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "(*)"):
			g.parts = append(g.parts, globPart{literal: '('}, globPart{literal: '*'}, globPart{star: true})
			i++
		case strings.HasPrefix(text[i:], "(*"):
			g.parts = append(g.parts, globPart{literal: '('}, globPart{literal: '*'})
			i++
		case strings.HasPrefix(text[i:], "**"):
			g.parts = append(g.parts, globPart{star: true, crosses: true})
			i++
		case text[i] == '*':
			g.parts = append(g.parts, globPart{star: true})
		default:
			g.parts = append(g.parts, globPart{literal: text[i]})
		}
	}
	return g
}

// isLiteral says whether the pattern stands for one name only.
func (g glob) isLiteral() bool {
	for _, part := range g.parts {
		if part.star {
			return false
		}
	}
	return true
}

// states runs the pattern over text and answers which positions in the pattern are alive after it.
func (g glob) states(text string) []bool {
	alive := make([]bool, len(g.parts)+1)
	next := make([]bool, len(g.parts)+1)
	alive[0] = true
	g.skipStars(alive)
	for i := 0; i < len(text); i++ {
		clear(next)
		c := text[i]
		for at, part := range g.parts {
			if !alive[at] {
				continue
			}
			if part.star {
				if part.crosses || c != '/' && c != '.' {
					next[at] = true
				}
			} else if part.literal == c {
				next[at+1] = true
			}
		}
		alive, next = next, alive
		g.skipStars(alive)
	}
	return alive
}

func (g glob) skipStars(alive []bool) {
	for at, part := range g.parts {
		if alive[at] && part.star {
			alive[at+1] = true
		}
	}
}

func (g glob) match(text string) bool {
	return g.states(text)[len(g.parts)]
}

// matchesSomeExtensionOf says whether some name that begins with prefix matches: what makes it possible to leave a
// package unread.
func (g glob) matchesSomeExtensionOf(prefix string) bool {
	for at, alive := range g.states(prefix) {
		if alive && at < len(g.parts) {
			return true
		}
	}
	return false
}

// compilePackageGlob also takes Go's own "net/..." for net and all below it.
func compilePackageGlob(text string) []glob {
	if text == "..." {
		return []glob{compileGlob("**")}
	}
	if root, ok := strings.CutSuffix(text, "/..."); ok {
		return []glob{compileGlob(root), compileGlob(root + "/**")}
	}
	return []glob{compileGlob(text)}
}

func matchAny(globs []glob, text string) bool {
	for _, g := range globs {
		if g.match(text) {
			return true
		}
	}
	return false
}
