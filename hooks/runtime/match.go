package sandboxhook

import "unsafe"

// text is a string or a []byte where it lies.
type text struct {
	data   unsafe.Pointer
	length int
}

func (t text) at(i int) byte { return *(*byte)(unsafe.Add(t.data, i)) }

// bytesAt compares length bytes at i with those at an address.
func (t text) bytesAt(i int, address uintptr, length int) bool {
	for k := 0; k < length; k++ {
		if t.at(i+k) != *(*byte)(unsafe.Pointer(address + uintptr(k))) {
			return false
		}
	}
	return true
}

// matches compares a text with byte strings or a table of the arena. What cannot be read matches nothing.
func matches(a arena, op uint8, t text, offset uint32, length uint64) bool {
	switch op {
	case opSet:
		return inSet(a, t, offset, length)
	case opRegexp:
		d, ok := dfaAt(a, offset)
		return ok && t.readable(0, t.length) && d.matches(t)
	}
	at := a.at(offset, length)
	if at == 0 || length > uint64(t.length) {
		return false
	}
	n := int(length)
	switch op {
	case opEquals:
		return t.length == n && t.readable(0, n) && t.bytesAt(0, at, n)
	case opPrefix:
		return t.readable(0, n) && t.bytesAt(0, at, n)
	case opSuffix:
		return t.readable(t.length-n, n) && t.bytesAt(t.length-n, at, n)
	}
	if !t.readable(0, t.length) {
		return false
	}
	for i := 0; i+n <= t.length; i++ {
		if t.bytesAt(i, at, n) {
			return true
		}
	}
	return false
}

// inSet looks through a list of {offset, length} pairs.
func inSet(a arena, t text, offset uint32, members uint64) bool {
	if members > arenaSize/8 {
		return false
	}
	at := a.at(offset, members*8)
	if at == 0 {
		return false
	}
	for ; members > 0; members-- {
		pair := word(at)
		at += 8
		length := pair >> 32
		if uint64(t.length) != length {
			continue
		}
		if member := a.at(uint32(pair), length); member != 0 && t.readable(0, t.length) && t.bytesAt(0, member, t.length) {
			return true
		}
	}
	return false
}

// dfa is a regular expression's table: u32 states, classes, start, size; u8 class_of[256]; u8 accept[states], padded to
// four; u16 next[states*classes]. The search is unanchored by construction.
type dfa struct {
	states, classes, start uint32
	classOf, accept, next  uintptr
}

const (
	acceptAlways = 1
	acceptAtEnd  = 2
)

func dfaAt(a arena, offset uint32) (d dfa, ok bool) {
	at := a.at(offset, dfaHeaderSize)
	if at == 0 {
		return d, false
	}
	first, second := word(at), word(at+8)
	d.states, d.classes, d.start = uint32(first), uint32(first>>32), uint32(second)
	size := second >> 32
	if d.states > dfaStateLimit || d.classes > 256 || size > dfaSizeLimit || a.at(offset, size) == 0 {
		return d, false
	}
	d.classOf = at + dfaHeaderSize
	d.accept = d.classOf + 256
	d.next = d.accept + uintptr(d.states+3)&^3
	end := d.next + uintptr(d.states)*uintptr(d.classes)*2
	return d, end-at <= uintptr(size)
}

// matches checks each state and class it reads: the table may be torn.
func (d dfa) matches(t text) bool {
	state := d.start
	for i := 0; ; i++ {
		if state >= d.states {
			return false
		}
		switch *(*byte)(unsafe.Pointer(d.accept + uintptr(state))) {
		case acceptAlways:
			return true
		case acceptAtEnd:
			if i == t.length {
				return true
			}
		}
		if i >= t.length {
			return false
		}
		class := uint32(*(*byte)(unsafe.Pointer(d.classOf + uintptr(t.at(i)))))
		if class >= d.classes {
			return false
		}
		state = uint32(*(*uint16)(unsafe.Pointer(d.next + uintptr(state*d.classes+class)*2)))
	}
}
