package sandboxhook

import "unsafe"

const (
	systemClose   = 3
	systemFstat   = 5
	systemMmap    = 9
	systemPread64 = 17

	protRead  = 1
	protWrite = 2
	mapShared = 1

	statSizeOffset = 48
	statBytes      = 144
	errnoFloor     = ^uintptr(4095) // results from here on are negated errnos
)

var (
	control *controlHeader // nil: dormant
	ring    *ringHeader
)

// start is where the kernel writes to: not on the stack, which may move between taking an address and the call.
var start struct {
	control controlHeader
	ring    ringHeader
	stat    [statBytes]byte
}

// init runs before that of any hooked package, because each of those imports this one.
func init() { attach(controlFile, ringFile) }

// attach maps the two memory files and closes their descriptors. When either is not ours, in version and in size too,
// both stay as they are and every hook stays dormant.
func attach(controlDescriptor, ringDescriptor uintptr) bool {
	page, header := &start.control, &start.ring
	if !readHeader(controlDescriptor, unsafe.Pointer(page), unsafe.Sizeof(*page)) || page.magic != controlMagic ||
		page.version != controlVersion || page.size != controlSize || page.rules > ruleLimit ||
		fileSize(controlDescriptor) < controlSize {
		return false
	}
	if !readHeader(ringDescriptor, unsafe.Pointer(header), unsafe.Sizeof(*header)) || header.magic != ringMagic ||
		header.version != ringVersion || header.slotSize != slotSize || !powerOfTwo(header.slotCount, slotCountLimit) ||
		!powerOfTwo(header.counterCount, counterLimit) {
		return false
	}
	size := countersOffset + uintptr(header.counterCount)*counterSize + uintptr(header.slotCount)*slotSize
	if fileSize(ringDescriptor) < size {
		return false
	}
	controlAt := mapFile(controlDescriptor, controlSize, protRead)
	ringAt := mapFile(ringDescriptor, size, protRead|protWrite)
	if controlAt == 0 || ringAt == 0 {
		return false
	}
	control = (*controlHeader)(unsafe.Pointer(controlAt))
	ring = (*ringHeader)(unsafe.Pointer(ringAt))
	counters = ringAt + countersOffset
	counterMask = uint64(header.counterCount) - 1
	slots = counters + uintptr(header.counterCount)*counterSize
	slotMask = uint64(header.slotCount) - 1
	systemCall(systemClose, controlDescriptor, 0, 0, 0, 0, 0)
	systemCall(systemClose, ringDescriptor, 0, 0, 0, 0, 0)
	Flags = (*[ruleLimit]uint32)(unsafe.Pointer(controlAt + flagsOffset))
	return true
}

// readHeader reads a file's first bytes by pread64: of a pipe, a terminal or nothing it only says no, where a mapping of
// an empty file would end the program.
func readHeader(descriptor uintptr, to unsafe.Pointer, length uintptr) bool {
	return systemCall(systemPread64, descriptor, uintptr(to), length, 0, 0, 0) == length
}

func fileSize(descriptor uintptr) uintptr {
	if systemCall(systemFstat, descriptor, uintptr(unsafe.Pointer(&start.stat)), 0, 0, 0, 0) != 0 {
		return 0
	}
	return *(*uintptr)(unsafe.Pointer(&start.stat[statSizeOffset]))
}

func mapFile(descriptor, size, protection uintptr) uintptr {
	at := systemCall(systemMmap, 0, size, protection, mapShared, descriptor, 0)
	if at >= errnoFloor {
		return 0
	}
	return at
}

func powerOfTwo(value, limit uint32) bool {
	return value != 0 && value&(value-1) == 0 && value <= limit
}
