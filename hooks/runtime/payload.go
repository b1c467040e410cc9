package sandboxhook

import "unsafe"

const (
	valueHeaderSize = 4
	// Text is copied this far beyond what is shown, so that a card number, mail or token cut in two by the limit is still
	// known for what it is.
	lookahead     = 64
	stackFrames   = 8
	rawBytes      = 16
	numberBytes   = 8
	lengthBytes   = 4
	textReadLimit = 64 << 10 // what a scrub rule's expression looks at
)

// payload is an event's values on the caller's stack; only what is finished, masks included, goes to the ring.
type payload struct {
	length int
	flags  uint16
	_      [6]byte
	bytes  [payloadLimit + lookahead]byte
}

// room opens a value of up to length bytes and returns where they go; nil when they do not fit.
func (p *payload) room(tag, index uint8, length int) unsafe.Pointer {
	at := p.length
	if at < 0 || length < 0 || at+valueHeaderSize+length > payloadLimit {
		p.flags |= flagTruncated
		return nil
	}
	p.bytes[at] = tag
	p.bytes[at+1] = index
	p.bytes[at+2] = byte(length)
	p.bytes[at+3] = byte(length >> 8)
	p.length = at + valueHeaderSize + length
	return unsafe.Pointer(&p.bytes[at+valueHeaderSize])
}

func (p *payload) putWord(tag, index uint8, bits uint64) {
	if to := p.room(tag, index, numberBytes); to != nil {
		*(*uint64)(to) = bits
	}
}

// putAll writes the values whose bit of chosen is set.
func (p *payload) putAll(site *Site, r rule, values []any, base uint8, chosen uint64) {
	begin := p.length
	flags := p.flags
	secrets := secretsOf(site, r.record)
	if base != 0 {
		secrets >>= keysResults
	}
	for attempt := 0; attempt < publicationAttempts; attempt++ {
		p.length, p.flags = begin, flags
		for i := range values {
			if i < resultIndex-1 && (i >= 64 || chosen>>i&1 != 0) {
				var v value
				switch {
				case !v.decode(&values[i]):
				case i < keysResults && secrets>>i&1 != 0:
					p.putMask(base + uint8(i))
				default:
					p.put(site, &r, &v, base+uint8(i))
				}
			}
		}
		if r.record.scrubRegexps == 0 || !r.arena.stale() {
			return
		}
		// The tables of secrets changed while they were read: what was let through may be one.
		fresh, ok := ruleOf(site)
		if !ok {
			break
		}
		r = fresh
	}
	p.length, p.flags = begin, flags|flagTruncated
}

func (p *payload) put(site *Site, r *rule, v *value, index uint8) {
	if v.isInterface && v.typ == nil {
		p.room(tagNil, index, 0)
		return
	}
	if v.isError || site.Kind == SitePanic && (v.kind == kindPointer || v.kind == kindStruct) {
		p.putDescription(r, v, index)
		return
	}
	if n, ok := v.number(); ok {
		p.putNumber(r, n, index)
		return
	}
	if t, ok := v.text(); ok {
		tag := uint8(tagBytes)
		if v.kind == kindString {
			tag = tagString
		}
		p.putText(r, t, tag, index)
		return
	}
	switch v.kind {
	case kindPointer, kindMap, kindChan, kindFunc, kindUnsafePointer:
		if pointer := *(*uint64)(v.data); pointer != 0 {
			p.putWord(tagPointer, index, pointer)
		} else {
			p.room(tagNil, index, 0)
		}
	default:
		p.putOther(v, index)
	}
}

func (p *payload) putNumber(r *rule, n number, index uint8) {
	if r.record.scrub&scrubCards != 0 && n.kind != numberFloat && cardNumber(n.bits) {
		p.putMask(index)
		return
	}
	switch n.kind {
	case numberInt:
		p.putWord(tagInt, index, n.bits)
	case numberUint:
		p.putWord(tagUint, index, n.bits)
	case numberFloat:
		p.putWord(tagFloat, index, n.bits)
	case numberBool:
		if to := p.room(tagBool, index, 1); to != nil {
			*(*byte)(to) = byte(n.bits)
		}
	}
}

// putOther shows a value's size and first bytes.
func (p *payload) putOther(v *value, index uint8) {
	size := int(v.typ.size)
	shown := min(size, rawBytes)
	if v.isInterface && v.opaque() {
		shown = 0
	}
	if to := p.room(tagOther, index, lengthBytes+shown); to != nil {
		*(*uint32)(to) = uint32(size)
		for i := 0; i < shown; i++ {
			*(*byte)(unsafe.Add(to, lengthBytes+i)) = *(*byte)(unsafe.Add(v.data, i))
		}
	}
}

const maskedText = "***"

// putMask stands for a value that is secret as a whole: not even its length is told.
func (p *payload) putMask(index uint8) {
	p.flags |= flagMasked
	if to := p.room(tagString, index, lengthBytes+len(maskedText)); to != nil {
		*(*uint32)(to) = uint32(len(maskedText))
		for i := 0; i < len(maskedText); i++ {
			*(*byte)(unsafe.Add(to, lengthBytes+i)) = maskedText[i]
		}
	}
}

func captured(record *ruleRecord) int {
	limit := int(record.capture)
	if limit <= 0 {
		return captureDefault
	}
	return min(limit, captureLimit)
}

// putText shows a text's beginning with what is secret in it masked; of one that cannot be read, its length alone.
func (p *payload) putText(r *rule, t text, tag, index uint8) {
	if t.length < 0 {
		return
	}
	wanted := min(t.length, captured(r.record))
	if !t.readable(0, r.reads(t, wanted)) {
		if to := p.room(tag, index, lengthBytes); to != nil {
			*(*uint32)(to) = uint32(min(t.length, 1<<32-1))
		}
		return
	}
	if matchesSecret(r, t) {
		p.putMask(index)
		return
	}
	shown := min(wanted, payloadLimit-p.length-valueHeaderSize-lengthBytes)
	if shown < wanted {
		p.flags |= flagTruncated
	}
	if shown < 0 {
		return
	}
	to := p.room(tag, index, lengthBytes+shown)
	if to == nil {
		return
	}
	*(*uint32)(to) = uint32(min(t.length, 1<<32-1))
	to = unsafe.Add(to, lengthBytes)
	read := shown
	if r.record.scrub != 0 {
		read = min(t.length, shown+lookahead)
	}
	copyText(to, t.data, read)
	if r.record.scrub != 0 && scrub(text{to, read}, r.record.scrub, shown) {
		p.flags |= flagMasked
	}
}

// reads is how much of a text is looked at to show its first bytes.
func (r *rule) reads(t text, shown int) int {
	switch {
	case r.record.scrubRegexps != 0:
		return min(t.length, textReadLimit)
	case r.record.scrub != 0:
		return min(t.length, shown+lookahead)
	}
	return shown
}

func copyText(to, from unsafe.Pointer, length int) {
	i := 0
	for ; i+8 <= length; i += 8 {
		*(*uint64)(unsafe.Add(to, i)) = *(*uint64)(unsafe.Add(from, i))
	}
	for ; i < length; i++ {
		*(*byte)(unsafe.Add(to, i)) = *(*byte)(unsafe.Add(from, i))
	}
}

// putStack writes the return addresses below the hooked function by walking frame pointers, which Go keeps on amd64.
// The walk stays inside the goroutine's stack. depth is where the hook's own entry keeps a variable: what lies deeper is
// the hook's.
func (p *payload) putStack(g goroutineState, depth uintptr) {
	var pcs [stackFrames]uint64
	n := 0
	low, high := g.stack()
	frame := framePointer()
	skip := 1 // the first frame above depth is the entry's own
	for n < len(pcs) && frame >= low && frame < high-16 && frame&7 == 0 {
		above, pc := uintptr(word(frame)), word(frame+8)
		if above <= frame {
			break
		}
		if high-above < depth {
			if skip == 0 {
				pcs[n] = pc
				n++
			} else {
				skip--
			}
		}
		frame = above
	}
	if to := p.room(tagStack, stackIndex, n*8); to != nil {
		for i := 0; i < n; i++ {
			*(*uint64)(unsafe.Add(to, i*8)) = pcs[i]
		}
	}
}
