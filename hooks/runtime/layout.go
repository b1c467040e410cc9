// Package sandboxhook is what a hooked function calls: it asks the supervisor's page whether the rule holds, reads the
// arguments where they lie and writes one event to the shared ring.
//
// Theory of operation. The rewriter puts Enter and Exit into functions of any package, the standard library's included,
// so this package imports nothing but unsafe. It is compiled as internal/sandboxhook and shares two memory files with
// the supervisor, which the program was started with as descriptors 3 and 4: the control page, read-only here, with the
// flags, conditions and tables; and the ring of events with its counters. Without them every flag stays 0 and nothing
// here is ever reached.
//
// A hook must not be felt: it does not allocate, lock, block, call the function's own types' methods or recover, it
// drops an event rather than wait, and a value that a rule calls secret is masked before it is put in shared memory.
// Arguments come as pointers in interfaces whose type word says how to read them; none of them escapes.
package sandboxhook

// The layout of both memory files, little endian; hooks/layout.h has the same constants.
const (
	controlFile = 3
	ringFile    = 4

	controlMagic   = 0x314c525443584253 // "SBXCTRL1"
	ringMagic      = 0x31474e4952584253 // "SBXRING1"
	siteMagic      = 0x3145544953584253 // "SBXSITE1"
	controlVersion = 1
	ringVersion    = 1

	controlSize    = 1 << 20
	flagsOffset    = 0x1000
	ruleLimit      = 1024
	arenaOffset    = 0x2000
	arenaSize      = 0x7f000
	ruleRecordSize = 64

	countersOffset  = 0x1000
	counterSize     = 16
	slotSize        = 256
	slotHeaderSize  = 48
	payloadLimit    = slotSize - slotHeaderSize
	slotCountLimit  = 1 << 24
	counterLimit    = 1 << 20
	captureDefault  = 64
	captureLimit    = 160
	instructionSize = 16

	dfaHeaderSize = 16
	dfaStateLimit = 4096
	dfaSizeLimit  = 64 << 10
)

// Site.Kind.
const (
	SiteFunction = 1
	SiteCall     = 2
	SiteLiteral  = 3
	SitePanic    = 4
	SiteReplace  = 5
)

// Site.Options.
const (
	OptionStack     = 1 << 0
	OptionCountOnly = 1 << 1
	OptionAbort     = 1 << 2
	OptionExit      = 1 << 3
)

// Kinds of events.
const (
	eventEnter   = 1
	eventExit    = 2
	eventAborted = 3
	eventPoint   = 4
)

// Flags of an event.
const (
	flagTruncated = 1 // a value or the rest of them found no room
	flagMasked    = 2 // a value was masked
	flagPanicking = 4 // the function is being left by a panic or Goexit: its results say nothing
)

// Tags of the values in an event's payload.
const (
	tagInt     = 1
	tagUint    = 2
	tagFloat   = 3
	tagBool    = 4
	tagString  = 5
	tagBytes   = 6
	tagError   = 7
	tagNil     = 8
	tagPointer = 9
	tagOther   = 10
	tagStack   = 11

	resultIndex = 128 // index of result i is resultIndex+i
	stackIndex  = 255
)

// Bits of a rule's scrub word.
const (
	scrubCards  = 1 << 0
	scrubTokens = 1 << 1
	scrubMails  = 1 << 2
	scrubKeys   = 1 << 3
)

// Operations of a condition.
const (
	opAnd      = 1
	opOr       = 2
	opNot      = 3
	opTrue     = 4
	opEqual    = 10
	opNotEqual = 11
	opLess     = 12
	opAtMost   = 13
	opMore     = 14
	opAtLeast  = 15
	opEquals   = 20
	opPrefix   = 21
	opSuffix   = 22
	opContains = 23
	opSet      = 24
	opRegexp   = 25
	opNil      = 30
	opNotNil   = 31
	opRate     = 40

	compareFloat  = 1
	compareLength = 2

	conditionDepth = 32   // booleans on the stack
	conditionLimit = 4096 // instructions
)

// controlHeader opens the control page. The epoch's low bit names the arena in force; it grows by one a publication.
type controlHeader struct {
	magic   uint64
	version uint32
	rules   uint32
	size    uint32
	epoch   uint32
}

// ruleRecord is one of the records that open an arena. Offsets are from the arena's start.
type ruleRecord struct {
	condition      uint32
	conditionCount uint32
	sample         uint32
	perSecond      uint32
	limit          uint64
	capture        uint32
	scrub          uint32
	scrubRegexps   uint32
	scrubInputs    uint32
	reserved       [6]uint32
}

// ringHeader opens the ring. Each word that somebody writes while the program runs has a cache line of its own.
type ringHeader struct {
	magic        uint64
	version      uint32
	slotSize     uint32
	slotCount    uint32
	counterCount uint32
	_            [0x40 - 24]byte
	reserved     uint64
	_            [56]byte
	consumed     uint64
	_            [56]byte
	dropped      uint64
}

// slot is one event. commit is written last.
type slot struct {
	commit    uint64
	site      uint64
	time      uint64
	goroutine uint64
	frame     uint64
	kind      uint32
	length    uint16
	flags     uint16
	payload   [payloadLimit]byte
}
