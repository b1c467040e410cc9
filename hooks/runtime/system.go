package sandboxhook

import "unsafe"

// systemCall enters the kernel without telling the scheduler: only for calls that cannot block, at start.
//
//go:noescape
func systemCall(number, a, b, c, d, e, f uintptr) uintptr

// goroutineState is the address of a runtime.g.
type goroutineState uintptr

// currentG is that of the running goroutine.
func currentG() goroutineState

// framePointer is the caller's frame pointer.
func framePointer() uintptr

// load is atomic as any aligned read is on amd64. It is inlined, so the compiler could join two reads of one word; between
// any two that matter there is a call it cannot see through.
func load(word *uint64) uint64 { return *word }

// store is atomic too, and comes after everything before it: being a call, the compiler moves nothing across it, and amd64
// keeps stores in order.
//
//go:noescape
func store(word *uint64, value uint64)

// prefetch has the processor fetch the two cache lines at an address for writing.
func prefetch(address uintptr)

// ran does nothing: it is where the kernel's probe sees, in two registers, that a hook made the event of this position + 1,
// or one (0) for which there was no room.
//
//go:noescape
func ran(site *Site, event uint64)

// add returns the new value.
//
//go:noescape
func add(word *uint64, delta uint64) uint64

// swap puts new in old's place and says whether it did.
//
//go:noescape
func swap(word *uint64, old, new uint64) bool

// nanotime is CLOCK_MONOTONIC through the vDSO. The runtime marks it for use by linkname.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64

// resolveNameOff finds a name in the module data. The runtime marks it for use by linkname; it locks nothing for the
// positive offsets of types the linker made.
//
//go:linkname resolveNameOff reflect.resolveNameOff
//go:noescape
func resolveNameOff(inModule unsafe.Pointer, offset int32) unsafe.Pointer

// Offsets in runtime.g that the linker or the assembler know too, and that therefore stay.
const (
	gStackLow  = 0
	gStackHigh = 8
	gPanic     = 32
)

// word reads what lies at an address that is no pointer for the garbage collector: a goroutine's descriptor, which is
// never freed, its stack while it runs, or shared memory.
func word(address uintptr) uint64 {
	return *(*uint64)(unsafe.Pointer(address))
}

// hide returns the pointer as it is, past the compiler's escape analysis: what it points to is only read, and never kept
// beyond the call. It stays a pointer all the time, so that it follows a stack that moves.
//
//go:nosplit
func hide(pointer unsafe.Pointer) unsafe.Pointer {
	address := uintptr(pointer)
	return unsafe.Pointer(address ^ 0)
}

func (g goroutineState) number() uint64 { return word(uintptr(g) + goidOffset) }

// stack is where the goroutine's stack begins and ends.
func (g goroutineState) stack() (low, high uintptr) {
	return uintptr(word(uintptr(g) + gStackLow)), uintptr(word(uintptr(g) + gStackHigh))
}

// depth is how far below the stack's top an address lies: unlike the address it outlives a move of the stack.
func (g goroutineState) depth(address uintptr) uintptr {
	_, high := g.stack()
	return high - address
}

// panicking names the newest panic or Goexit that runs deferred calls on this goroutine by its depth; 0 without one.
func (g goroutineState) panicking() uintptr {
	if newest := uintptr(word(uintptr(g) + gPanic)); newest != 0 {
		return g.depth(newest)
	}
	return 0
}
