package sandboxhook

import _ "unsafe" // for go:linkname

// Theory of operation: a slice may point to memory that is not the garbage collector's and that nobody may read, such as
// a mapping without PROT_READ or beyond its file's end. The program does not touch it, so the hook must not either. What
// lies in a span of the heap (goroutine stacks do too) or in the executable can always be read; of all else the kernel is
// asked, a page at a time.

const (
	systemRtSigprocmask = 14

	pageSize     = 4096
	wordSize     = 8
	invalidValue = 22 // EINVAL
)

// notInHeap says that an address belongs to no span of the heap. The runtime pushes it to reflect by linkname.
//
//go:linkname notInHeap reflect.verifyNotInHeapPtr
func notInHeap(address uintptr) bool

// image is where the executable's code, constants and variables lie.
func image() (begin, end uintptr)

var imageBegin, imageEnd = image()

// readable says whether length bytes from i on can be read. Memory that another thread unmaps after this says yes is as
// dangerous to the hook as it is to the program.
func (t text) readable(i, length int) bool {
	if length <= 0 {
		return true
	}
	begin := uintptr(t.data) + uintptr(i)
	if begin >= imageBegin && begin < imageEnd || !notInHeap(begin) {
		return true
	}
	for at, end := begin, begin+uintptr(length); at < end; at = (at | (pageSize - 1)) + 1 {
		if !kernelReads(at) {
			return false
		}
	}
	return true
}

// kernelReads has rt_sigprocmask read the word at an address. The kernel copies the set before it finds that no operation
// has this number (kernel/signal.c, rt_sigprocmask), so nothing changes; every profile allows the call.
func kernelReads(address uintptr) bool {
	const noOperation = ^uintptr(0)
	result := systemCall(systemRtSigprocmask, noOperation, address&^(wordSize-1), 0, wordSize, 0, 0)
	return result == ^uintptr(invalidValue)+1
}
