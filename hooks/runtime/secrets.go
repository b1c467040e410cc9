package sandboxhook

import "unsafe"

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
