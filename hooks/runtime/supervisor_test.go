package sandboxhook

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

// The other side of both memory files, as the supervisor plays it.
type supervisor struct {
	control, ring []byte
	arena         []byte // what the next publication holds
	rules         int
}

const (
	testSlots    = 1 << 10
	testCounters = 1 << 6
	testRules    = 64
)

var supervised = newSupervisor()

func memoryFile(name string, size int) (descriptor int, memory []byte) {
	label, _ := syscall.BytePtrFromString(name)
	const memfdCreate = 319
	fd, _, errno := syscall.Syscall(memfdCreate, uintptr(unsafe.Pointer(label)), 0, 0)
	if errno != 0 {
		panic(errno)
	}
	if err := syscall.Ftruncate(int(fd), int64(size)); err != nil {
		panic(err)
	}
	memory, err := syscall.Mmap(int(fd), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return int(fd), memory
}

// newMemoryFiles makes both files with valid headers.
func newMemoryFiles() (controlFd, ringFd int, s *supervisor) {
	s = &supervisor{rules: testRules}
	controlFd, s.control = memoryFile("control", controlSize)
	little := binary.LittleEndian
	little.PutUint64(s.control, controlMagic)
	little.PutUint32(s.control[8:], controlVersion)
	little.PutUint32(s.control[12:], testRules)
	little.PutUint32(s.control[16:], controlSize)
	ringFd, s.ring = memoryFile("ring", countersOffset+testCounters*counterSize+testSlots*slotSize)
	little.PutUint64(s.ring, ringMagic)
	little.PutUint32(s.ring[8:], ringVersion)
	little.PutUint32(s.ring[12:], slotSize)
	little.PutUint32(s.ring[16:], testSlots)
	little.PutUint32(s.ring[20:], testCounters)
	return controlFd, ringFd, s
}

func newSupervisor() *supervisor {
	controlFd, ringFd, s := newMemoryFiles()
	if !attach(uintptr(controlFd), uintptr(ringFd)) {
		panic("the runtime did not take the memory files")
	}
	for _, fd := range []int{controlFd, ringFd} {
		if err := syscall.Close(fd); err != syscall.EBADF {
			panic(fmt.Sprint("the runtime left descriptor ", fd, " open"))
		}
	}
	return s
}

// fresh gives a test its own state: everything off, the ring read, the counters free.
func fresh(t testing.TB) *supervisor {
	s := supervised
	for rule := 0; rule < testRules; rule++ {
		s.flag(rule, 0)
	}
	s.begin()
	s.publish()
	clear(s.ring[countersOffset : countersOffset+testCounters*counterSize])
	clear(recorded[:])
	for _, site := range testSites {
		site.State = [6]uint64{}
	}
	s.drain()
	atomic.StoreUint64(s.word(0xC0), 0)
	t.Cleanup(func() {
		for rule := 0; rule < testRules; rule++ {
			s.flag(rule, 0)
		}
	})
	return s
}

func (s *supervisor) word(offset int) *uint64 { return (*uint64)(unsafe.Pointer(&s.ring[offset])) }

func (s *supervisor) flag(rule int, value uint32) {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&s.control[flagsOffset+4*rule])), value)
}

// begin starts a publication with empty records.
func (s *supervisor) begin() { s.arena = make([]byte, s.rules*ruleRecordSize, arenaSize) }

func (s *supervisor) publish() {
	epoch := (*uint32)(unsafe.Pointer(&s.control[20]))
	next := atomic.LoadUint32(epoch) + 1
	at := arenaOffset + int(next&1)*arenaSize
	copy(s.control[at:at+arenaSize], s.arena)
	atomic.StoreUint32(epoch, next)
}

func (s *supervisor) record(rule int) *ruleRecord {
	return (*ruleRecord)(unsafe.Pointer(&s.arena[rule*ruleRecordSize]))
}

func (s *supervisor) place(bytes []byte) uint32 {
	for len(s.arena)%8 != 0 {
		s.arena = append(s.arena, 0)
	}
	at := len(s.arena)
	s.arena = append(s.arena, bytes...)
	return uint32(at)
}

// instruction is one of a condition; bytes, where given, are placed and referred to.
type instruction struct {
	op, input uint8
	a         uint32
	b         uint64
	bytes     string
	set       []string
	table     []byte
}

func (s *supervisor) condition(rule int, program ...instruction) {
	var code []byte
	for _, i := range program {
		switch {
		case i.table != nil:
			i.a = s.place(i.table)
		case i.set != nil:
			var list []byte
			for _, member := range i.set {
				list = binary.LittleEndian.AppendUint32(list, s.place([]byte(member)))
				list = binary.LittleEndian.AppendUint32(list, uint32(len(member)))
			}
			i.a, i.b = s.place(list), uint64(len(i.set))
		case i.op >= opEquals && i.op <= opContains:
			i.a, i.b = s.place([]byte(i.bytes)), uint64(len(i.bytes))
		}
		code = append(code, i.op, i.input, 0, 0)
		code = binary.LittleEndian.AppendUint32(code, i.a)
		code = binary.LittleEndian.AppendUint64(code, i.b)
	}
	at := s.place(code)
	s.record(rule).condition = at
	s.record(rule).conditionCount = uint32(len(program))
}

// literalTable is the table of a search for a literal (Knuth, Morris and Pratt), or of the literal as the whole text.
func literalTable(literal string, whole bool) []byte {
	states := len(literal) + 2 // one for each prefix, and a sink
	sink := states - 1
	var table []byte
	little := binary.LittleEndian
	size := dfaHeaderSize + 256 + (states+3)&^3 + states*256*2
	for _, v := range []int{states, 256, 0, size} {
		table = little.AppendUint32(table, uint32(v))
	}
	for c := 0; c < 256; c++ {
		table = append(table, byte(c))
	}
	for state := 0; state < (states+3)&^3; state++ {
		accept := byte(0)
		if state == len(literal) {
			accept = acceptAlways
			if whole {
				accept = acceptAtEnd
			}
		}
		table = append(table, accept)
	}
	for state := 0; state < states; state++ {
		for c := 0; c < 256; c++ {
			next := sink
			if state != sink && !whole {
				seen := literal[:min(state, len(literal))] + string(rune(0))
				seen = seen[:len(seen)-1]
				seen += string([]byte{byte(c)})
				for next = min(len(seen), len(literal)); next > 0 && seen[len(seen)-next:] != literal[:next]; next-- {
				}
			} else if state < len(literal) && literal[state] == byte(c) {
				next = state + 1
			}
			table = little.AppendUint16(table, uint16(next))
		}
	}
	return table
}

// event is a slot as the collector copies it out.
type event struct {
	slot
	values map[uint8]any
	tags   map[uint8]uint8
	full   map[uint8]int
}

// drain takes what is committed and in order.
func (s *supervisor) drain() []event {
	var events []event
	consumed := atomic.LoadUint64(s.word(0x80))
	for ; consumed < atomic.LoadUint64(s.word(0x40)); consumed++ {
		at := countersOffset + testCounters*counterSize + int(consumed%testSlots)*slotSize
		e := event{slot: *(*slot)(unsafe.Pointer(&s.ring[at]))}
		if e.commit != consumed+1 {
			panic(fmt.Sprintf("slot %d holds the commit word %d", consumed, e.commit))
		}
		e.parse()
		events = append(events, e)
	}
	atomic.StoreUint64(s.word(0x80), consumed)
	return events
}

func (s *supervisor) dropped() uint64 { return atomic.LoadUint64(s.word(0xC0)) }

func (s *supervisor) counted(site *Site) uint64 {
	for i := 0; i < testCounters; i++ {
		if at := countersOffset + i*counterSize; *s.word(at) == uint64(uintptr(unsafe.Pointer(site))) {
			return atomic.LoadUint64(s.word(at + 8))
		}
	}
	return 0
}

func (e *event) parse() {
	e.values, e.tags, e.full = map[uint8]any{}, map[uint8]uint8{}, map[uint8]int{}
	rest := e.payload[:e.length]
	little := binary.LittleEndian
	for len(rest) > 0 {
		tag, index, length := rest[0], rest[1], int(little.Uint16(rest[2:]))
		body := rest[4 : 4+length]
		rest = rest[4+length:]
		e.tags[index] = tag
		switch tag {
		case tagInt:
			e.values[index] = int64(little.Uint64(body))
		case tagUint, tagPointer:
			e.values[index] = little.Uint64(body)
		case tagFloat:
			e.values[index] = math.Float64frombits(little.Uint64(body))
		case tagBool:
			e.values[index] = body[0] == 1
		case tagString, tagBytes, tagError:
			e.values[index] = string(body[4:])
			e.full[index] = int(little.Uint32(body))
		case tagNil:
			e.values[index] = nil
		case tagOther:
			e.values[index] = append([]byte(nil), body[4:]...)
			e.full[index] = int(little.Uint32(body))
		case tagStack:
			var pcs []uintptr
			for ; len(body) > 0; body = body[8:] {
				pcs = append(pcs, uintptr(little.Uint64(body)))
			}
			e.values[index] = pcs
		default:
			panic(fmt.Sprint("tag ", tag))
		}
	}
}
