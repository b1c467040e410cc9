package sandboxhook

import "unsafe"

// A description is what can be said of an error or a panic's value without calling its methods, which are the program's:
// the type's name and the simple fields of the struct behind it, "*fs.PathError open /x syscall.Errno 2"; for the errors
// of errors.New and fmt.Errorf, their text.
type description struct {
	length int
	bytes  [captureLimit + lookahead]byte
}

const (
	describeDepth  = 3
	describeFields = 8
)

var ownErrorType = func() *abiType {
	var own any = (*Error)(nil)
	return (*eface)(unsafe.Pointer(&own)).typ
}()

// putDescription is kept apart for its buffer: only events with an error need it.
//
//go:noinline
func (p *payload) putDescription(r *rule, v *value, index uint8) {
	var d description
	d.value((*value)(hide(unsafe.Pointer(v))), describeDepth)
	p.putText(r, text{unsafe.Pointer(&d.bytes), d.length}, tagError, index)
}

func (d *description) value(v *value, depth int) {
	name := typeName(v.typ)
	structure, data := v.structure()
	if message, ok := plainMessage(v.typ, name, structure, data); ok {
		d.word(message)
		return
	}
	d.word(name)
	if n, ok := v.number(); ok {
		d.number(n)
		return
	}
	if v.kind == kindString {
		t, _ := v.text()
		d.word(t)
		return
	}
	if structure == nil || depth == 0 || !simple(structure) {
		return
	}
	for i := range structure.fields {
		d.field(&structure.fields[i], data, depth-1)
	}
}

func (d *description) field(f *structField, data unsafe.Pointer, depth int) {
	v := value{data: unsafe.Add(data, f.offset), typ: f.typ, kind: f.typ.kind & kindMask}
	if v.kind == kindInterface {
		v.open()
		if v.typ != nil {
			d.value((*value)(hide(unsafe.Pointer(&v))), depth)
		}
		return
	}
	if n, ok := v.number(); ok {
		d.number(n)
		return
	}
	t, _ := v.text()
	d.word(t)
}

// structure is the struct a value is or points to.
func (v *value) structure() (*structType, unsafe.Pointer) {
	switch v.kind {
	case kindStruct:
		if !v.opaque() {
			return (*structType)(unsafe.Pointer(v.typ)), v.data
		}
	case kindPointer:
		element := (*elementType)(unsafe.Pointer(v.typ)).element
		to := *(*unsafe.Pointer)(v.data)
		if to != nil && element.kind&kindMask == kindStruct && (text{to, int(element.size)}).readable(0, int(element.size)) {
			return (*structType)(unsafe.Pointer(element)), to
		}
	}
	return nil, nil
}

// simple says that a struct is made as errors are, of strings, numbers and interfaces: nothing that is guarded by a lock
// and changed while it is read.
func simple(s *structType) bool {
	if len(s.fields) > describeFields {
		return false
	}
	for i := range s.fields {
		kind := s.fields[i].typ.kind & kindMask
		if !(kind >= kindBool && kind <= kindFloat64) && kind != kindString && kind != kindInterface {
			return false
		}
	}
	return true
}

// plainMessage is the text of errors whose method returns just that.
func plainMessage(t *abiType, name text, s *structType, data unsafe.Pointer) (text, bool) {
	if s == nil || len(s.fields) == 0 || s.fields[0].typ.kind&kindMask != kindString {
		return text{}, false
	}
	if t != ownErrorType && !name.is("*errors.errorString") && !name.is("*fmt.wrapError") &&
		!name.is("*fmt.wrapErrors") {
		return text{}, false
	}
	words := (*sliceWords)(unsafe.Add(data, s.fields[0].offset))
	return text{words.data, words.length}, true
}

func (t text) is(s string) bool {
	return t.length == len(s) && t.bytesAt(0, uintptr(unsafe.Pointer(unsafe.StringData(s))), len(s))
}

// word adds a text, set off from what is before it.
func (d *description) word(t text) {
	if t.length <= 0 || !t.readable(0, min(t.length, len(d.bytes))) {
		return
	}
	if d.length > 0 {
		d.byte(' ')
	}
	for i := 0; i < t.length && d.length < len(d.bytes); i++ {
		d.byte(t.at(i))
	}
}

func (d *description) byte(b byte) {
	if d.length < len(d.bytes) {
		d.bytes[d.length] = b
		d.length++
	}
}

func (d *description) number(n number) {
	const digits = 20
	var reversed [digits + 1]byte
	bits, length := n.bits, 0
	switch n.kind {
	case numberFloat:
		return // seen as the type's name alone
	case numberInt:
		if int64(bits) < 0 {
			bits = -bits
		}
	}
	for length == 0 || bits != 0 {
		reversed[length] = '0' + byte(bits%10)
		bits /= 10
		length++
	}
	if n.kind == numberInt && int64(n.bits) < 0 {
		reversed[length] = '-'
		length++
	}
	if d.length > 0 {
		d.byte(' ')
	}
	for length--; length >= 0; length-- {
		d.byte(reversed[length])
	}
}
