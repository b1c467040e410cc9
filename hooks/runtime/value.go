package sandboxhook

import "unsafe"

// The words of an interface, and what a type descriptor says of a type: internal/abi, equal in Go 1.25 to 1.27.
type eface struct {
	typ  *abiType
	data unsafe.Pointer
}

type abiType struct {
	size     uintptr
	pointers uintptr
	hash     uint32
	flags    uint8
	align    uint8
	field    uint8
	kind     uint8
	equal    unsafe.Pointer
	gcData   unsafe.Pointer
	name     int32
	toThis   int32
}

// elementType follows the common part of a pointer, slice or array type.
type elementType struct {
	abiType
	element *abiType
	_       unsafe.Pointer
	length  uintptr // arrays
}

type interfaceType struct {
	abiType
	path    unsafe.Pointer
	methods []uint64
}

type structType struct {
	abiType
	path   unsafe.Pointer
	fields []structField
}

type structField struct {
	name   unsafe.Pointer
	typ    *abiType
	offset uintptr
}

// itab is the first word of an interface with methods.
type itab struct {
	inter, typ *abiType
}

const (
	kindBool          = 1
	kindInt           = 2
	kindInt8          = 3
	kindInt16         = 4
	kindInt32         = 5
	kindInt64         = 6
	kindUint          = 7
	kindUint8         = 8
	kindUint16        = 9
	kindUint32        = 10
	kindUint64        = 11
	kindUintptr       = 12
	kindFloat32       = 13
	kindFloat64       = 14
	kindArray         = 17
	kindChan          = 18
	kindFunc          = 19
	kindInterface     = 20
	kindMap           = 21
	kindPointer       = 22
	kindSlice         = 23
	kindString        = 24
	kindStruct        = 25
	kindUnsafePointer = 26
	kindMask          = 31 // Go 1.25 has a flag above it

	typeFlagExtraStar = 1 << 1
)

// value is where a parameter lies and what it is; of an interface, what it holds.
type value struct {
	data        unsafe.Pointer
	typ         *abiType // nil: a nil interface
	kind        uint8
	isInterface bool
	isError     bool // its static type is error
}

// errorType is the descriptor of the type error.
var errorType = func() *abiType {
	var pointer any = (*error)(nil)
	return (*elementType)(unsafe.Pointer((*eface)(unsafe.Pointer(&pointer)).typ)).element
}()

// decode reads a pointer to a parameter into an empty value; false: there is none. It neither keeps nor copies what the
// pointer leads to. A value is handed on by pointer: copying one right after its bytes were set stalls the processor.
func (v *value) decode(input *any) bool {
	words := (*eface)(hide(unsafe.Pointer(input)))
	if words.typ == nil || words.data == nil || words.typ.kind&kindMask != kindPointer {
		return false
	}
	v.data = words.data
	v.typ = (*elementType)(unsafe.Pointer(words.typ)).element
	v.kind = v.typ.kind & kindMask
	if v.kind == kindInterface {
		v.open()
	}
	return true
}

// open goes from an interface to what it holds.
func (v *value) open() {
	v.isInterface = true
	v.isError = v.typ == errorType
	methods := len((*interfaceType)(unsafe.Pointer(v.typ)).methods)
	words := (*eface)(v.data)
	v.typ, v.kind = words.typ, 0
	if v.typ == nil {
		return
	}
	if methods != 0 {
		v.typ = (*itab)(unsafe.Pointer(words.typ)).typ
	}
	v.kind = v.typ.kind & kindMask
	v.data = words.data
	if v.direct() {
		v.data = unsafe.Pointer(&words.data)
	}
}

// direct says that an interface's second word is the value itself. Of the types of one pointer's size Go 1.25 keeps
// some structs apart that later releases do not; nothing here reads the bytes of those.
func (v *value) direct() bool {
	switch v.kind {
	case kindPointer, kindMap, kindChan, kindFunc, kindUnsafePointer:
		return true
	}
	return v.opaque()
}

func (v *value) opaque() bool {
	return (v.kind == kindStruct || v.kind == kindArray) && v.typ.size == 8 && v.typ.pointers == 8
}

type number struct {
	bits uint64
	kind uint8
}

const (
	numberInt   = 1
	numberUint  = 2
	numberFloat = 3
	numberBool  = 4
)

func (n number) asFloat() float64 {
	switch n.kind {
	case numberFloat:
		return *(*float64)(unsafe.Pointer(&n.bits))
	case numberUint:
		return float64(n.bits)
	}
	return float64(int64(n.bits))
}

func (v *value) number() (number, bool) {
	switch v.kind {
	case kindBool:
		return number{uint64(*(*uint8)(v.data)), numberBool}, true
	case kindInt, kindInt64:
		return number{*(*uint64)(v.data), numberInt}, true
	case kindInt8:
		return number{uint64(*(*int8)(v.data)), numberInt}, true
	case kindInt16:
		return number{uint64(*(*int16)(v.data)), numberInt}, true
	case kindInt32:
		return number{uint64(*(*int32)(v.data)), numberInt}, true
	case kindUint, kindUint64, kindUintptr:
		return number{*(*uint64)(v.data), numberUint}, true
	case kindUint8:
		return number{uint64(*(*uint8)(v.data)), numberUint}, true
	case kindUint16:
		return number{uint64(*(*uint16)(v.data)), numberUint}, true
	case kindUint32:
		return number{uint64(*(*uint32)(v.data)), numberUint}, true
	case kindFloat32:
		wide := float64(*(*float32)(v.data))
		return number{*(*uint64)(unsafe.Pointer(&wide)), numberFloat}, true
	case kindFloat64:
		return number{*(*uint64)(v.data), numberFloat}, true
	}
	return number{}, false
}

// sliceWords is a string's or a slice's; a string has no capacity.
type sliceWords struct {
	data   unsafe.Pointer
	length int
}

// text is the value as bytes: a string, a []byte or an array of bytes.
func (v *value) text() (text, bool) {
	switch v.kind {
	case kindString:
		words := (*sliceWords)(v.data)
		return text{words.data, words.length}, true
	case kindSlice:
		if (*elementType)(unsafe.Pointer(v.typ)).element.kind&kindMask == kindUint8 {
			words := (*sliceWords)(v.data)
			return text{words.data, words.length}, true
		}
	case kindArray:
		if (*elementType)(unsafe.Pointer(v.typ)).element.kind&kindMask == kindUint8 {
			return text{v.data, int(v.typ.size)}, true
		}
	}
	return text{}, false
}

func (v *value) length() (int, bool) {
	switch v.kind {
	case kindString, kindSlice:
		return (*sliceWords)(v.data).length, true
	case kindArray:
		return int((*elementType)(unsafe.Pointer(v.typ)).length), true
	}
	return 0, false
}

// isNil answers as the language does: an interface that holds a nil pointer is not nil.
func (v *value) isNil() (isNil, ok bool) {
	if v.isInterface {
		return v.typ == nil, true
	}
	switch v.kind {
	case kindPointer, kindMap, kindChan, kindFunc, kindUnsafePointer, kindSlice:
		return *(*uintptr)(v.data) == 0, true
	}
	return false, false
}

// typeName is the type's name as the linker wrote it, "*fs.PathError"; empty for types made by reflection, whose names
// lie behind a lock.
func typeName(t *abiType) text {
	if t.name <= 0 {
		return text{}
	}
	at := resolveNameOff(unsafe.Pointer(t), t.name)
	if at == nil {
		return text{}
	}
	length, shift, i := 0, 0, 1
	for ; i < 4; i++ { // a flag byte, then the length as a varint
		b := *(*byte)(unsafe.Add(at, i))
		length |= int(b&0x7f) << shift
		shift += 7
		if b&0x80 == 0 {
			break
		}
	}
	name := text{unsafe.Add(at, i+1), length}
	if t.flags&typeFlagExtraStar != 0 && name.length > 0 {
		name = text{unsafe.Add(name.data, 1), name.length - 1}
	}
	return name
}
