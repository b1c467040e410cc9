package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// The supervisor's side of a traced run, as far as these tests need it: every rule is on and holds.

const (
	testControlSize = 1 << 20
	testSlotCount   = 1 << 14
	testCounters    = 4096
	testRingSize    = 0x1000 + testCounters*16 + testSlotCount*256
)

type tracer struct {
	control, ring *os.File
	shared        []byte
}

func memoryFile(t testing.TB, name string, size int) (*os.File, []byte) {
	t.Helper()
	label, err := syscall.BytePtrFromString(name)
	if err != nil {
		t.Fatal(err)
	}
	const memfdCreate, closeOnExec = 319, 1
	fd, _, errno := syscall.Syscall(memfdCreate, uintptr(unsafe.Pointer(label)), closeOnExec, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	file := os.NewFile(fd, name)
	if err := file.Truncate(int64(size)); err != nil {
		t.Fatal(err)
	}
	memory, err := syscall.Mmap(int(fd), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	return file, memory
}

func newTracer(t testing.TB, on bool) *tracer {
	t.Helper()
	tr := &tracer{}
	var control []byte
	tr.control, control = memoryFile(t, "control", testControlSize)
	tr.ring, tr.shared = memoryFile(t, "ring", testRingSize)
	little := binary.LittleEndian
	copy(control, "SBXCTRL1")
	little.PutUint32(control[8:], 1)
	little.PutUint32(control[12:], maximumRules)
	little.PutUint32(control[16:], testControlSize)
	for rule := 0; on && rule < maximumRules; rule++ {
		little.PutUint32(control[0x1000+4*rule:], 1)
	}
	copy(tr.shared, "SBXRING1")
	little.PutUint32(tr.shared[8:], 1)
	little.PutUint32(tr.shared[12:], 256)
	little.PutUint32(tr.shared[16:], testSlotCount)
	little.PutUint32(tr.shared[20:], testCounters)
	if err := syscall.Munmap(control); err != nil {
		t.Fatal(err)
	}
	return tr
}

func (tr *tracer) attach(command *exec.Cmd) { command.ExtraFiles = []*os.File{tr.control, tr.ring} }

func (tr *tracer) close() {
	tr.control.Close()
	tr.ring.Close()
	syscall.Munmap(tr.shared)
}

// builtSite is a Site read from an executable.
type builtSite struct {
	symbol                   string
	rule, kind, line, column uint32
	record                   uint64
	options, inputs          uint32
	function, file, names    string
	text                     string
}

// builtSites reads every site of an executable, by symbol name and magic as the supervisor does.
func builtSites(t testing.TB, path string) map[uint64]*builtSite {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	found := map[uint64]*builtSite{}
	for _, symbol := range symbols {
		if !strings.Contains(symbol.Name, ".sandboxSite_") {
			continue
		}
		raw := elfBytes(file, symbol.Value, 112)
		little := binary.LittleEndian
		if raw == nil || string(raw[:8]) != "SBXSITE1" {
			t.Errorf("%s: %s is not static data", path, symbol.Name)
			continue
		}
		text := func(at int) string {
			length := little.Uint64(raw[at+8:])
			return string(elfBytes(file, little.Uint64(raw[at:]), length))
		}
		found[symbol.Value] = &builtSite{symbol: symbol.Name, rule: little.Uint32(raw[8:]), kind: little.Uint32(raw[12:]),
			line: little.Uint32(raw[16:]), column: little.Uint32(raw[20:]), record: little.Uint64(raw[24:]),
			options: little.Uint32(raw[32:]), inputs: little.Uint32(raw[36:]), function: text(40), file: text(56),
			names: text(72), text: text(88)}
	}
	return found
}

func elfBytes(file *elf.File, address, length uint64) []byte {
	for _, section := range file.Sections {
		if section.Type == elf.SHT_PROGBITS && section.Flags&elf.SHF_ALLOC != 0 && address >= section.Addr && address+length <= section.Addr+section.Size {
			data := make([]byte, length)
			if _, err := section.ReadAt(data, int64(address-section.Addr)); err != nil {
				return nil
			}
			return data
		}
	}
	return nil
}

// event is one slot of the ring, written out: "enter os.OpenFile 0=/tmp/x".
func (tr *tracer) events(t testing.TB, program string) []string {
	t.Helper()
	sites := builtSites(t, program)
	little := binary.LittleEndian
	reserved := little.Uint64(tr.shared[0x40:])
	kinds := map[uint32]string{1: "enter", 2: "exit", 3: "aborted", 4: "point"}
	var list []string
	for position := uint64(0); position < min(reserved, testSlotCount); position++ {
		slot := tr.shared[0x1000+testCounters*16+position*256:][:256]
		if little.Uint64(slot) != position+1 {
			continue // the program ended while another thread was writing
		}
		site := sites[little.Uint64(slot[8:])]
		if site == nil {
			t.Errorf("slot %d names no site", position)
			continue
		}
		length := min(int(little.Uint16(slot[44:])), 208)
		list = append(list, kinds[little.Uint32(slot[40:])]+" "+site.function+writtenValues(slot[48:48+length]))
	}
	return list
}

func writtenValues(payload []byte) string {
	var out strings.Builder
	little := binary.LittleEndian
	for len(payload) >= 4 {
		tag, index, length := payload[0], payload[1], int(little.Uint16(payload[2:]))
		data := payload[4:][:length]
		payload = payload[4+length:]
		fmt.Fprintf(&out, " %d=", index)
		switch tag {
		case 1:
			fmt.Fprint(&out, int64(little.Uint64(data)))
		case 2, 9:
			fmt.Fprint(&out, little.Uint64(data))
		case 4:
			fmt.Fprint(&out, data[0] != 0)
		case 5, 6, 7:
			out.Write(bytes.TrimRight(data[4:], "\x00"))
		case 8:
			out.WriteString("nil")
		default:
			fmt.Fprintf(&out, "tag%d", tag)
		}
	}
	return out.String()
}
