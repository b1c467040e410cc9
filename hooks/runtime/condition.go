package sandboxhook

import "unsafe"

// arena is one of the two halves of the control page; epoch is the publication it was chosen under.
type arena struct {
	base  uintptr
	epoch uint32
}

// rule is a record together with the arena its offsets belong to.
type rule struct {
	record *ruleRecord
	arena  arena
}

const publicationAttempts = 3

// epoch is the number of the publication in force.
func epoch() uint32 {
	// epoch shares its word with size, which never changes.
	return uint32(load((*uint64)(unsafe.Pointer(&control.size))) >> 32)
}

// current is the arena in force. The supervisor fills the other one next, so an arena's words may change under a reader
// only once the epoch has moved by two.
func current() arena {
	now := epoch()
	return arena{uintptr(unsafe.Pointer(control)) + arenaOffset + uintptr(now&1)*arenaSize, now}
}

func (a arena) stale() bool { return epoch()-a.epoch >= 2 }

// at is the address of length bytes at an offset; 0 when they are not all inside the arena.
func (a arena) at(offset uint32, length uint64) uintptr {
	if offset > arenaSize || length > arenaSize || uint64(offset)+length > arenaSize {
		return 0
	}
	return a.base + uintptr(offset)
}

func ruleOf(site *Site) (rule, bool) {
	if control == nil || site.Rule >= ruleLimit || site.Rule >= control.rules {
		return rule{}, false
	}
	a := current()
	return rule{(*ruleRecord)(unsafe.Pointer(a.base + uintptr(site.Rule)*ruleRecordSize)), a}, true
}

// holds evaluates the rule's condition, anew when the page was rewritten meanwhile; a page that keeps changing makes it
// false.
func holds(site *Site, inputs []any) (rule, bool) {
	for attempt := 0; attempt < publicationAttempts; attempt++ {
		r, ok := ruleOf(site)
		if !ok {
			return r, false
		}
		condition := r.record.condition
		if condition == 0 {
			return r, true
		}
		held := evaluate(r.arena, condition, r.record.conditionCount, site, inputs)
		if !r.arena.stale() {
			return r, held
		}
	}
	return rule{}, false
}

// evaluate runs a condition's program. Anything malformed makes it false: the page is the supervisor's, but may be torn.
func evaluate(a arena, offset, instructions uint32, site *Site, inputs []any) bool {
	if instructions > conditionLimit {
		return false
	}
	at := a.at(offset, uint64(instructions)*instructionSize)
	if at == 0 {
		return false
	}
	stack, depth := uint32(0), 0 // the top is bit 0
	for ; instructions > 0; instructions-- {
		head, operand := word(at), word(at+8)
		at += instructionSize
		op, input, extra := uint8(head), uint8(head>>8), uint32(head>>32)
		switch op {
		case opAnd, opOr:
			if depth < 2 {
				return false
			}
			top := stack & 1
			stack >>= 1
			depth--
			if op == opAnd {
				stack &= ^uint32(1) | top
			} else {
				stack |= top
			}
			continue
		case opNot:
			if depth < 1 {
				return false
			}
			stack ^= 1
			continue
		}
		if depth == conditionDepth {
			return false
		}
		// A rate stands last: what the rest has refused takes no token from it.
		refused := op == opRate && depth > 0 && stack&1 == 0
		stack <<= 1
		depth++
		if !refused && test(a, op, input, extra, operand, site, inputs) {
			stack |= 1
		}
	}
	return depth > 0 && stack&1 != 0
}

// test is one instruction that reads an input or nothing. An input that is absent or of a kind the operation cannot
// read makes it false.
func test(a arena, op, input uint8, extra uint32, operand uint64, site *Site, inputs []any) bool {
	switch op {
	case opTrue:
		return true
	case opRate:
		return operand != 0 && bucket(&site.State[stateRate], operand)
	}
	if int(input) >= len(inputs) {
		return false
	}
	var v value
	if !v.decode(&inputs[input]) {
		return false
	}
	switch op {
	case opEqual, opNotEqual, opLess, opAtMost, opMore, opAtLeast:
		order, ok := compare(&v, extra, operand)
		return ok && orderSatisfies(op, order)
	case opEquals, opPrefix, opSuffix, opContains, opSet, opRegexp:
		t, ok := v.text()
		return ok && matches(a, op, t, extra, operand)
	case opNil, opNotNil:
		isNil, ok := v.isNil()
		return ok && isNil == (op == opNil)
	}
	return false
}

// Outcomes of a comparison; unordered is that with a NaN.
const (
	less      = -1
	same      = 0
	more      = 1
	unordered = 2
)

func orderSatisfies(op uint8, order int) bool {
	switch op {
	case opEqual:
		return order == same
	case opNotEqual:
		return order != same
	case opLess:
		return order == less
	case opAtMost:
		return order == less || order == same
	case opMore:
		return order == more
	}
	return order == more || order == same
}

// compare compares a number, or a length, with an operand.
func compare(v *value, how uint32, operand uint64) (order int, ok bool) {
	if how == compareLength {
		length, ok := v.length()
		return compareInts(int64(length), int64(operand)), ok
	}
	n, ok := v.number()
	if !ok {
		return 0, false
	}
	if how == compareFloat {
		return compareFloats(n.asFloat(), *(*float64)(unsafe.Pointer(&operand))), true
	}
	switch n.kind {
	case numberFloat:
		return compareFloats(n.asFloat(), float64(int64(operand))), true
	case numberUint:
		if n.bits>>63 != 0 {
			return more, true
		}
	}
	return compareInts(int64(n.bits), int64(operand)), true
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return less
	case a > b:
		return more
	}
	return same
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return less
	case a > b:
		return more
	case a == b:
		return same
	}
	return unordered
}
