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
