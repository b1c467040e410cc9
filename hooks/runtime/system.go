package sandboxhook

import "unsafe"

// systemCall enters the kernel without telling the scheduler: only for calls that cannot block, at start.
//
//go:noescape
func systemCall(number, a, b, c, d, e, f uintptr) uintptr

// currentG is the address of the running goroutine's runtime.g.
func currentG() uintptr

// framePointer is the caller's frame pointer.
func framePointer() uintptr

// load and store are atomic as any aligned word is on amd64; being calls, the compiler moves nothing across them.
//
//go:noescape
func load(word *uint64) uint64

//go:noescape
func store(word *uint64, value uint64)

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

func goroutine() uint64 { return word(currentG() + goidOffset) }

// stackDepth is how far below the stack's top an address lies: unlike the address it outlives a move of the stack.
func stackDepth(address uintptr) uintptr { return uintptr(word(currentG()+gStackHigh)) - address }

// panicking names the newest panic or Goexit that runs deferred calls on this goroutine by its depth; 0 without one.
func panicking() uintptr {
	if newest := uintptr(word(currentG() + gPanic)); newest != 0 {
		return stackDepth(newest)
	}
	return 0
}
