package sandboxhook

import "unsafe"

// Parts of the ring, set once at start.
var (
	counters    uintptr
	counterMask uint64
	slots       uintptr
	slotMask    uint64
)

const (
	reserveAttempts = 64
	counterNone     = ^uint64(0)
)

// reserve takes the next slot, or none when the collector is a whole ring behind or too many others want one at once:
// then the event is dropped and counted, and the program goes on.
func reserve() (position uint64, ok bool) {
	for attempt := 0; attempt < reserveAttempts; attempt++ {
		position = load(&ring.reserved)
		if position-load(&ring.consumed) > slotMask {
			break
		}
		if swap(&ring.reserved, position, position+1) {
			return position, true
		}
	}
	add(&ring.dropped, 1)
	return 0, false
}

func slotAt(position uint64) uintptr { return slots + uintptr(position&slotMask)*slotSize }

// prepare fetches the slot that is likely to be reserved next while the event's values are put together: written cold, its
// lines would hold up the next atomic operation.
func prepare() { prefetch(slotAt(load(&ring.reserved))) }

// write puts an event in the ring and returns its position + 1, 0 when it was dropped. frame is the enter event's
// position + 1, or ownFrame for an enter event itself. at is the event's time, 0 for now.
func write(site *Site, g goroutineState, kind uint32, frame uint64, at int64, values *payload) uint64 {
	position, ok := reserve()
	if !ok {
		ran(site, 0)
		return 0
	}
	ran(site, position+1) // before the commit: who reads the event can have seen this before
	event := (*slot)(unsafe.Pointer(slotAt(position)))
	if frame == ownFrame {
		frame = position + 1
	}
	event.site = uint64(uintptr(unsafe.Pointer(site)))
	event.goroutine = g.number()
	event.frame = frame
	event.kind = kind
	event.length = uint16(values.length)
	event.flags = values.flags
	copyText(unsafe.Pointer(&event.payload), unsafe.Pointer(&values.bytes), min(values.length, payloadLimit))
	if at == 0 {
		at = nanotime()
	}
	event.time = uint64(at)
	store(&event.commit, position+1)
	return position + 1
}

const ownFrame = ^uint64(0)

// count adds one to the site's counter, which it finds or takes on the first call.
func count(site *Site) {
	index := load(&site.State[stateCounter])
	if index == 0 {
		index = takeCounter(site)
	}
	if index-1 > counterMask {
		return
	}
	add((*uint64)(unsafe.Pointer(counters+uintptr(index-1)*counterSize+8)), 1)
}

// takeCounter looks for the site's counter by open addressing and takes a free one.
func takeCounter(site *Site) uint64 {
	address := uint64(uintptr(unsafe.Pointer(site)))
	index := address >> 4 * 0x9e3779b97f4a7c15 >> 32 & counterMask
	for tried := uint64(0); tried <= counterMask; tried++ {
		owner := (*uint64)(unsafe.Pointer(counters + uintptr(index)*counterSize))
		if load(owner) == address || swap(owner, 0, address) || load(owner) == address {
			store(&site.State[stateCounter], index+1)
			return index + 1
		}
		index = (index + 1) & counterMask
	}
	store(&site.State[stateCounter], counterNone)
	return counterNone
}

// bucket is a token bucket of one second's burst in one word, the time at which it is full again (the generic cell rate
// algorithm). Who loses the race for it several times over is refused.
func bucket(state *uint64, perSecond uint64) bool {
	const second, attempts = 1e9, 8
	interval := uint64(1)
	if perSecond < second {
		interval = second / perSecond
	}
	now := uint64(nanotime())
	for attempt := 0; attempt < attempts; attempt++ {
		old := load(state)
		full := old
		if full < now {
			full = now
		}
		if full+interval-now > second {
			return false
		}
		if swap(state, old, full+interval) {
			return true
		}
	}
	return false
}

// recorded counts the events each rule has written, over all its sites, for the rule's limit.
var recorded [ruleLimit]uint64

// admit says whether this firing of the site becomes an event: sampling, then pace, then the limit in all.
func admit(site *Site, rule *ruleRecord) bool {
	if sample := uint64(rule.sample); sample > 1 && (add(&site.State[stateSample], 1)-1)%sample != 0 {
		return false
	}
	if perSecond := uint64(rule.perSecond); perSecond != 0 && !bucket(&site.State[statePace], perSecond) {
		return false
	}
	limit := rule.limit
	return limit == 0 || recorded[site.Rule] < limit && add(&recorded[site.Rule], 1) <= limit
}
