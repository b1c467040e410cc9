package sandboxhook

import (
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// mapped is pages of memory that the garbage collector knows nothing of.
func mapped(t *testing.T, pages, protection int) []byte {
	t.Helper()
	memory, err := syscall.Mmap(-1, 0, pages*pageSize, protection, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(memory) })
	return memory
}

func forbid(t *testing.T, memory []byte) {
	t.Helper()
	if err := syscall.Mprotect(memory, syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
}

func TestBytesThatCannotBeReadAreShownByTheirLengthAlone(t *testing.T) {
	s := fresh(t)
	s.flag(readRule, 1)
	memory := mapped(t, 3, syscall.PROT_READ|syscall.PROT_WRITE)
	copy(memory, "readable")
	copy(memory[pageSize-4:], "last")
	f := &file{}
	shown := func(what string, to []byte, want string) {
		t.Helper()
		f.read(to)
		enter := s.drain()[0]
		if enter.tags[1] != tagBytes || enter.values[1] != want || enter.full[1] != len(to) {
			t.Errorf("%s: %d bytes, shown as %q", what, enter.full[1], enter.values[1])
		}
	}
	shown("while they can be read", memory[:8], "readable")
	forbid(t, memory[pageSize:])
	shown("before the hole", memory[:8], "readable")
	shown("up to the hole", memory[pageSize-4:pageSize], "last")
	shown("into the hole", memory[pageSize-4:pageSize+4], "")
	shown("in the hole", memory[pageSize+3:2*pageSize], "")
	shown("none of the hole", memory[pageSize:pageSize], "")
	s.record(readRule).scrub = scrubCards
	s.publish()
	shown("masked, at the edge", memory[pageSize-4:pageSize], "last")
	shown("masked, in the hole", memory[pageSize:], "")
}

func TestBytesBeyondTheEndOfTheirFileAreShownByTheirLengthAlone(t *testing.T) {
	s := fresh(t)
	s.flag(readRule, 1)
	descriptor, _ := memoryFile("short", 10)
	memory, err := syscall.Mmap(descriptor, 0, 2*pageSize, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(memory)
	syscall.Close(descriptor)
	(&file{}).read(memory[pageSize:])
	if enter := s.drain()[0]; enter.values[1] != "" || enter.full[1] != pageSize {
		t.Errorf("%d bytes, shown as %q", enter.full[1], enter.values[1])
	}
}

func TestWhatCannotBeReadMatchesNothing(t *testing.T) {
	memory := mapped(t, 2, syscall.PROT_READ|syscall.PROT_WRITE)
	edge := memory[pageSize-3 : pageSize+3]
	copy(edge, "abcabc")
	for name, c := range map[string]struct {
		program instruction
		torn    bool // whether it holds with the second half unreadable
	}{
		"equals":      {instruction{op: opEquals, input: 1, bytes: "abcabc"}, false},
		"begins":      {instruction{op: opPrefix, input: 1, bytes: "abc"}, true},
		"begins long": {instruction{op: opPrefix, input: 1, bytes: "abcab"}, false},
		"ends":        {instruction{op: opSuffix, input: 1, bytes: "abc"}, false},
		"contains":    {instruction{op: opContains, input: 1, bytes: "ca"}, false},
		"is one of":   {instruction{op: opSet, input: 1, set: []string{"x", "abcabc"}}, false},
		"matches":     {instruction{op: opRegexp, input: 1, table: literalTable("abc", false)}, false},
	} {
		s := fresh(t)
		s.condition(readRule, c.program)
		s.publish()
		s.flag(readRule, 1)
		for _, want := range []bool{true, c.torn} {
			(&file{}).read(edge)
			if held := len(s.drain()) != 0; held != want {
				t.Errorf("%s: held %v, wanted %v", name, held, want)
			}
			forbid(t, memory[pageSize:])
		}
		if err := syscall.Mprotect(memory, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
			t.Fatal(err)
		}
	}
}

type mappedError struct{ text string }

func (*mappedError) Error() string { return "never called" }

func TestAnErrorThatCannotBeReadIsShownByItsTypeAlone(t *testing.T) {
	s := fresh(t)
	s.flag(panicRule, 1)
	memory := mapped(t, 2, syscall.PROT_READ|syscall.PROT_WRITE)
	inside := (*mappedError)(unsafe.Pointer(&memory[0]))
	outside := &mappedError{unsafe.String(&memory[pageSize], 5)}
	copy(memory[pageSize:], "words")
	for _, c := range []struct {
		err  *mappedError
		want string
	}{{outside, "*sandboxhook.mappedError words"}, {inside, "*sandboxhook.mappedError"}} {
		Panic(&panicSite, c.err)
		if e := one(t, s.drain()); e.values[0] != c.want {
			t.Errorf("shown as %q, not %q", e.values[0], c.want)
		}
	}
	forbid(t, memory)
	for _, err := range []*mappedError{inside, outside} {
		Panic(&panicSite, err)
		if e := one(t, s.drain()); e.values[0] != "*sandboxhook.mappedError" {
			t.Errorf("shown as %q", e.values[0])
		}
	}
}

// No system call is spent on what a Go program's texts are: constants, heap, stack.
func TestOrdinaryMemoryIsKnownToBeReadable(t *testing.T) {
	constant, heap := "a constant", strings.Repeat("heap", 100)
	var stack [16]byte
	for what, at := range map[string]uintptr{"constant": uintptr(unsafe.Pointer(unsafe.StringData(constant))),
		"heap": uintptr(unsafe.Pointer(unsafe.StringData(heap))), "stack": uintptr(unsafe.Pointer(&stack)),
		"variable": uintptr(unsafe.Pointer(&openSite))} {
		if (at < imageBegin || at >= imageEnd) && notInHeap(at) {
			t.Errorf("%s: %#x is neither in the executable, %#x to %#x, nor in the heap", what, at, imageBegin, imageEnd)
		}
	}
	memory := mapped(t, 1, syscall.PROT_READ)
	if at := uintptr(unsafe.Pointer(&memory[0])); at >= imageBegin && at < imageEnd || !notInHeap(at) {
		t.Errorf("mapped memory at %#x is taken for the program's own", at)
	}
}
