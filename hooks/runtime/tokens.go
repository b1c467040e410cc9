package sandboxhook

import "unsafe"

const (
	tokenMinimum  = 16 // of a token with a known beginning
	secretMinimum = 32 // of one known by its looks
)

// Beginnings that issuers give their tokens; what follows is masked.
var tokenPrefixes = [...]string{
	"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "AKIA", "ASIA", "AIza", "xoxb-", "xoxp-", "xoxa-",
	"xoxr-", "xoxs-", "sk-", "sk_live_", "sk_test_", "rk_live_", "pk_live_", "npm_", "pypi-", "dop_v1_", "hf_", "SG.",
	"ya29.", "eyJ",
}

// scrubRuns masks runs of token characters that begin as known tokens do or that look random.
func scrubRuns(t text, note func(from, to int)) {
	for i := 0; i < t.length; i++ {
		if t.class(i)&isToken == 0 {
			continue
		}
		begin := i
		if prefix := prefixAt(t, begin); prefix > 0 {
			// A JSON web token and some others go on over dots.
			for i = begin + prefix; i < t.length && (t.class(i)&isToken != 0 || t.at(i) == '.'); i++ {
			}
			if i-begin >= tokenMinimum {
				note(begin+prefix, i)
			}
			i--
			continue
		}
		// Of base64 a '/' is part, of a path it is between the parts: only a run that looks random as a whole is masked
		// across it.
		end := runEnd(t, begin, false)
		if wide := runEnd(t, begin, true); wide > end && looksRandom(t, begin, wide) {
			end = wide
		} else if !looksRandom(t, begin, end) {
			i = end - 1
			continue
		}
		note(begin, end)
		i = end - 1
	}
}

func runEnd(t text, i int, slash bool) int {
	for ; i < t.length && (t.class(i)&isToken != 0 || slash && t.at(i) == '/'); i++ {
	}
	return i
}

func prefixAt(t text, i int) int {
	for k := range tokenPrefixes {
		prefix := tokenPrefixes[k]
		if t.at(i) == prefix[0] && t.hasAt(i, prefix) {
			return len(prefix)
		}
	}
	return 0
}

func (t text) hasAt(i int, s string) bool {
	return i >= 0 && i+len(s) <= t.length && t.bytesAt(i, uintptr(unsafe.Pointer(unsafe.StringData(s))), len(s))
}

// looksRandom holds for long hexadecimal runs, and for runs that change between capitals, small letters and digits about
// as often as random base64 does, to and from digits more than once. Names, also in CamelCase, hardly do.
func looksRandom(t text, from, to int) bool {
	if to-from < secretMinimum {
		return false
	}
	const kinds = isDigit | isUpper | isLower
	all, any := uint8(0xff), uint8(0)
	changes, toDigits, previous := 0, 0, uint8(0)
	for i := from; i < to; i++ {
		class := t.class(i)
		all &= class
		any |= class
		if kind := class & kinds; kind != 0 {
			if previous != 0 && kind != previous {
				changes++
				toDigits += int((kind | previous) & isDigit)
			}
			previous = kind
		}
	}
	if all&isHex != 0 {
		return any&isDigit != 0 && any&(isUpper|isLower) != 0
	}
	return any&kinds == kinds && toDigits >= 3 && changes*3 >= to-from
}

// scrubSchemes masks what follows the scheme of an Authorization header.
func scrubSchemes(t text, note func(from, to int)) {
	for i := 4; i < t.length; i++ {
		if t.at(i) != ' ' || !t.foldAt(i-6, "bearer") && !t.foldAt(i-5, "basic") && !t.foldAt(i-5, "token") {
			continue
		}
		end := i + 1
		for ; end < t.length && t.at(end) > ' ' && t.at(end) != '"' && t.at(end) != '\''; end++ {
		}
		if end-i > 8 { // words follow "the bearer" too
			note(i+1, end)
		}
	}
}

// foldAt compares in either case with a lower-case string.
func (t text) foldAt(i int, lower string) bool {
	if i < 0 || i+len(lower) > t.length {
		return false
	}
	for k := 0; k < len(lower); k++ {
		if t.at(i+k)|0x20 != lower[k] {
			return false
		}
	}
	return true
}
