package sandboxhook

import "unsafe"

// Scrubbing overwrites what is secret in a text, in the event's buffer, before it is put in shared memory: card numbers,
// mail addresses, tokens by their known beginnings or their looks, and what follows a name such as password. It errs on
// the side of the secret.

const mask = '*'

// Classes of bytes; a byte may have several.
const (
	isDigit   = 1 << 0
	isUpper   = 1 << 1
	isLower   = 1 << 2
	isHex     = 1 << 3
	isToken   = 1 << 4 // of base64, base64url and the names of tokens, but for '/'
	isMail    = 1 << 5 // of a mail address's local part
	isDomain  = 1 << 6
	isOpening = 1 << 7 // '=' and ':' open what belongs to a name
)

var classes = func() (table [256]uint8) {
	for c := 0; c < 256; c++ {
		digit, upper, lower := c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z'
		if digit {
			table[c] |= isDigit
		}
		if upper {
			table[c] |= isUpper
		}
		if lower {
			table[c] |= isLower
		}
		if digit || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' {
			table[c] |= isHex
		}
		if digit || upper || lower {
			table[c] |= isToken | isMail | isDomain
		}
		switch c {
		case '+', '_', '-':
			table[c] |= isToken | isMail
		case '.', '%':
			table[c] |= isMail
		case '=':
			table[c] |= isToken | isOpening
		case ':':
			table[c] |= isOpening
		}
		if c == '-' || c == '.' {
			table[c] |= isDomain
		}
	}
	return table
}()

// hints counts kinds of bytes in a byte each: a text is never longer than 255.
var hints = func() (table [256]uint64) {
	for c := 0; c < 256; c++ {
		if classes[c]&isDigit != 0 {
			table[c] |= 1 << hintDigit
		}
		if classes[c]&isToken != 0 {
			table[c] |= 1 << hintToken
		}
		if classes[c]&isOpening != 0 {
			table[c] |= 1 << hintOpening
		}
		switch c {
		case '@':
			table[c] |= 1 << hintAt
		case ' ':
			table[c] |= 1 << hintSpace
		}
	}
	return table
}()

const (
	hintDigit   = 0
	hintToken   = 8
	hintAt      = 16
	hintOpening = 24
	hintSpace   = 32
)

func (t text) class(i int) uint8 { return classes[t.at(i)] }

func (t text) cover(from, to int) {
	for ; from < to; from++ {
		*(*byte)(unsafe.Add(t.data, from)) = mask
	}
}

// scrub masks in place and says whether it masked anything of the first shown bytes.
func scrub(t text, kinds uint32, shown int) bool {
	// One pass counts what there is, to find which of the closer looks can find anything at all: most texts need none.
	// Four bytes at a time: a run of tokenMinimum has three fours in a row, wherever it begins.
	const four, fours = 4, 3
	counts, row, run := uint64(0), 0, false
	i := 0
	for ; i+four <= t.length; i += four {
		sum := hints[t.at(i)] + hints[t.at(i+1)] + hints[t.at(i+2)] + hints[t.at(i+3)]
		counts += sum
		if sum>>hintToken&0xff != four {
			row = 0
		} else if row++; row >= fours {
			run = true
		}
	}
	for ; i < t.length; i++ {
		counts += hints[t.at(i)]
	}
	has := func(hint int) bool { return counts>>hint&0xff != 0 }
	end := 0 // behind the last masked byte, and the first one
	first := t.length
	note := func(from, to int) {
		if to > from {
			t.cover(from, to)
			first, end = min(first, from), max(end, to)
		}
	}
	if kinds&scrubKeys != 0 && has(hintOpening) {
		scrubNamed(t, note)
	}
	if kinds&scrubTokens != 0 {
		if has(hintSpace) {
			scrubSchemes(t, note)
		}
		if run {
			scrubRuns(t, note)
		}
	}
	if kinds&scrubCards != 0 && counts>>hintDigit&0xff >= cardMinimum {
		scrubDigits(t, note)
	}
	if kinds&scrubMails != 0 && has(hintAt) {
		scrubAddresses(t, note)
	}
	return first < shown && end > 0
}

const (
	cardMinimum = 13
	cardMaximum = 19
)

// scrubDigits masks 13 to 19 digits that end with Luhn's check digit: one group of digits, or several with a single
// space, dash or dot between them. A group counts whole or not at all, as part of a longer number proves nothing.
func scrubDigits(t text, note func(from, to int)) {
	for i := 0; i < t.length; i++ {
		if t.class(i)&isDigit == 0 {
			continue
		}
		if end := cardAt(t, i); end != 0 {
			note(i, end)
			i = end
		}
		for i < t.length && t.class(i)&isDigit != 0 {
			i++
		}
	}
}

// cardAt is where the longest card number that begins with the group at i ends; 0: none does.
func cardAt(t text, i int) (end int) {
	// Luhn doubles every second digit counted from the last; keep both sums, and choose when the last is known.
	var sums [2]int
	count := 0
	for ; i < t.length && count <= cardMaximum; i++ {
		c := t.at(i)
		if classes[c]&isDigit != 0 {
			digit := int(c - '0')
			doubled := digit * 2
			if doubled > 9 {
				doubled -= 9
			}
			sums[count&1] += digit
			sums[count&1^1] += doubled
			count++
			if i+1 < t.length && t.class(i+1)&isDigit != 0 {
				continue
			}
			// sums[k] takes the digits at places of parity k as they are: the last one's place is count-1.
			if count >= cardMinimum && count <= cardMaximum && sums[(count-1)&1]%10 == 0 {
				end = i + 1
			}
		} else if c != ' ' && c != '-' && c != '.' || i+1 >= t.length || t.class(i+1)&isDigit == 0 {
			break
		}
	}
	return end
}

// cardNumber says whether a number reads as a card's: its length, the issuers' first digits and Luhn's sum. Nanoseconds
// since 1970 begin with a 1 and are none.
func cardNumber(n uint64) bool {
	const shortest, longest = 1e12, 1e19
	if n < shortest || n >= longest {
		return false
	}
	sum, first, double := uint64(0), uint64(0), false
	for ; n > 0; n /= 10 {
		first = n % 10
		digit := first
		if double {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum += digit
		double = !double
	}
	return sum%10 == 0 && first >= 2 && first <= 6
}

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

// scrubAddresses masks mail addresses but for the '@'. A domain ends in letters; a module's version does not.
func scrubAddresses(t text, note func(from, to int)) {
	for at := 1; at < t.length; at++ {
		if t.at(at) != '@' {
			continue
		}
		begin := at
		for begin > 0 && (t.class(begin-1)&isMail != 0 || t.at(begin-1) == mask) {
			begin--
		}
		end, dot := at+1, 0
		for ; end < t.length && t.class(end)&isDomain != 0; end++ {
			if t.at(end) == '.' {
				dot = end
			}
		}
		for dot > 0 && end-1 == dot { // a sentence's full stop
			end--
			for dot--; dot > at && t.at(dot) != '.'; dot-- {
			}
		}
		if begin == at || dot <= at+1 || end-dot <= 2 {
			continue
		}
		letters := true
		for i := dot + 1; i < end; i++ {
			letters = letters && t.class(i)&(isUpper|isLower) != 0
		}
		if letters {
			note(begin, at)
			note(at+1, end)
		}
	}
}

// Names, without '_' and '-', whose values are secret.
var secretNames = [...]string{
	"password", "passwd", "passphrase", "secret", "token", "authorization", "apikey", "credential", "privatekey",
	"accesskey",
}

// secretName says that a name contains one of those; '_', '-' and case do not matter.
func secretName(t text) bool {
	for i := 0; i < t.length; i++ {
		for k := range secretNames {
			if nameAt(t, i, secretNames[k]) {
				return true
			}
		}
	}
	return false
}

func nameAt(t text, i int, name string) bool {
	k := 0
	for ; i < t.length && k < len(name); i++ {
		c := t.at(i)
		if k > 0 && (c == '_' || c == '-') {
			continue
		}
		if c|0x20 != name[k] {
			return false
		}
		k++
	}
	return k == len(name)
}

// scrubNamed masks what follows a secret's name and '=' or ':', as in queries, headers and JSON, and the password of a
// URL.
func scrubNamed(t text, note func(from, to int)) {
	for i := 0; i < t.length; i++ {
		if t.class(i)&isOpening == 0 {
			continue
		}
		if t.hasAt(i, "://") {
			scrubUserinfo(t, i+3, note)
			continue
		}
		end := i
		for end > 0 && (t.at(end-1) == ' ' || t.at(end-1) == '"' || t.at(end-1) == '\'') {
			end--
		}
		begin := end
		for begin > 0 && t.class(begin-1)&isToken != 0 && t.at(begin-1) != '=' {
			begin--
		}
		name := text{unsafe.Add(t.data, begin), end - begin}
		if !secretName(name) {
			continue
		}
		from := i + 1
		for from < t.length && (t.at(from) == ' ' || t.at(from) == '"' || t.at(from) == '\'') {
			from++
		}
		to := from
		for ; to < t.length && !endsValue(t.at(to)); to++ {
		}
		// "Authorization: SCHEME CREDENTIALS": the credentials are behind the space.
		if to < t.length && t.at(to) == ' ' && (t.foldAt(to-6, "bearer") || t.foldAt(to-5, "basic")) {
			for to++; to < t.length && !endsValue(t.at(to)); to++ {
			}
		}
		note(from, to)
		i = max(i, to-1)
	}
}

func endsValue(c byte) bool {
	switch c {
	case '&', ',', ';', '"', '\'', ')', '}', ']':
		return true
	}
	return c <= ' '
}

func scrubUserinfo(t text, i int, note func(from, to int)) {
	colon := 0
	for ; i < t.length; i++ {
		switch c := t.at(i); {
		case c == ':' && colon == 0:
			colon = i
		case c == '@' && colon != 0:
			note(colon+1, i)
			return
		case c == '/' || c <= ' ' || c == '"':
			return
		}
	}
}

// matchesSecret says that one of the rule's own expressions matches: then the whole text is secret, as a table does not
// tell where it matched.
func matchesSecret(r *rule, t text) bool {
	list := r.record.scrubRegexps
	if list == 0 {
		return false
	}
	at := r.arena.at(list, lengthBytes)
	if at == 0 {
		return true
	}
	number := *(*uint32)(unsafe.Pointer(at))
	if number > arenaSize/lengthBytes || r.arena.at(list, uint64(number+1)*lengthBytes) == 0 {
		return true
	}
	t.length = min(t.length, textReadLimit)
	for ; number > 0; number-- {
		at += lengthBytes
		d, ok := dfaAt(r.arena, *(*uint32)(unsafe.Pointer(at)))
		if !ok || d.matches(t) {
			return true
		}
	}
	return false
}

const (
	keysKnown   = 1 << 63
	keysResults = 31 // bit of the first result
)

// secretsOf says which values are masked as a whole, by the rule's list or by their names: bit i for input i, bit
// keysResults+i for result i.
func secretsOf(site *Site, record *ruleRecord) uint64 {
	secrets := uint64(record.scrubInputs &^ (1 << keysResults))
	if record.scrub&scrubKeys == 0 {
		return secrets
	}
	keys := load(&site.State[stateKeys])
	if keys == 0 {
		keys = secretNamesOf(site.Names)
		store(&site.State[stateKeys], keys)
	}
	return secrets | keys&^keysKnown
}

// secretNamesOf reads a site's names, "input,input;result,result".
func secretNamesOf(names string) uint64 {
	keys, bit, begin := uint64(keysKnown), 0, 0
	for i := 0; i <= len(names); i++ {
		if i < len(names) && names[i] != ',' && names[i] != ';' {
			continue
		}
		if name := names[begin:i]; bit < 63 && secretName(text{unsafe.Pointer(unsafe.StringData(name)), len(name)}) {
			keys |= 1 << bit
		}
		begin = i + 1
		bit++
		if i < len(names) && names[i] == ';' {
			bit = keysResults
		}
	}
	return keys
}
