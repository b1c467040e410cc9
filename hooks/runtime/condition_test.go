package sandboxhook

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

func TestConditions(t *testing.T) {
	type level int8
	var (
		name      = "/etc/passwd"
		data      = []byte("abc")
		number    = -5
		big       = uint64(math.MaxUint64)
		half      = 0.5
		nan       = math.NaN()
		truth     = true
		small     = level(-3)
		pointer   *int
		held      any = pointer
		nothing   any
		inside    any    = "in an interface"
		empty     string = ""
		slice     []int
		table           = map[string]int{}
		minusFive int64 = -5
		half64          = math.Float64bits(0.5)
	)
	inputs := []any{&name, &data, &number, &big, &half, &nan, &truth, &small, &pointer, &held, &nothing, &inside,
		&empty, &slice, &table, nil}
	const (
		iName = iota
		iData
		iNumber
		iBig
		iHalf
		iNaN
		iTruth
		iSmall
		iPointer
		iHeld
		iNothing
		iInside
		iEmpty
		iSlice
		iTable
		iAbsent
		iMissing
	)
	yes := instruction{op: opTrue}
	not := instruction{op: opNot}
	cases := []struct {
		what    string
		program []instruction
		want    bool
	}{
		{"true", []instruction{yes}, true},
		{"not true", []instruction{yes, not}, false},
		{"true and not true", []instruction{yes, yes, not, {op: opAnd}}, false},
		{"not true or true", []instruction{yes, not, yes, {op: opOr}}, true},
		{"false or false", []instruction{yes, not, yes, not, {op: opOr}}, false},
		{"and of three", []instruction{yes, yes, yes, {op: opAnd}, {op: opAnd}}, true},
		{"nothing on the stack for and", []instruction{yes, {op: opAnd}}, false},
		{"nothing on the stack for not", []instruction{not}, false},
		{"nothing at the end", nil, false},
		{"false below true at the end", []instruction{yes, not, yes}, true},
		{"true below false at the end", []instruction{yes, yes, not}, false},
		{"an operation that is none", []instruction{{op: 99}}, false},
		{"equals", []instruction{{op: opEquals, input: iName, bytes: "/etc/passwd"}}, true},
		{"equals, longer", []instruction{{op: opEquals, input: iName, bytes: "/etc/passwd-"}}, false},
		{"equals, shorter", []instruction{{op: opEquals, input: iName, bytes: "/etc"}}, false},
		{"equals nothing", []instruction{{op: opEquals, input: iEmpty, bytes: ""}}, true},
		{"prefix", []instruction{{op: opPrefix, input: iName, bytes: "/etc/"}}, true},
		{"prefix, not", []instruction{{op: opPrefix, input: iName, bytes: "etc"}}, false},
		{"prefix of nothing", []instruction{{op: opPrefix, input: iEmpty, bytes: "x"}}, false},
		{"suffix", []instruction{{op: opSuffix, input: iName, bytes: "wd"}}, true},
		{"suffix, not", []instruction{{op: opSuffix, input: iName, bytes: "w"}}, false},
		{"contains", []instruction{{op: opContains, input: iName, bytes: "tc/p"}}, true},
		{"contains at the end", []instruction{{op: opContains, input: iName, bytes: "swd"}}, true},
		{"contains, not", []instruction{{op: opContains, input: iName, bytes: "tcp"}}, false},
		{"bytes contain", []instruction{{op: opContains, input: iData, bytes: "bc"}}, true},
		{"an interface's string", []instruction{{op: opPrefix, input: iInside, bytes: "in "}}, true},
		{"a number's prefix", []instruction{{op: opPrefix, input: iNumber, bytes: ""}}, false},
		{"set", []instruction{{op: opSet, input: iName, set: []string{"/etc/hosts", "/etc/passwd"}}}, true},
		{"set, not", []instruction{{op: opSet, input: iName, set: []string{"/etc/hosts", "/etc/passwx", ""}}}, false},
		{"regexp", []instruction{{op: opRegexp, input: iName, table: literalTable("pass", false)}}, true},
		{"regexp, not", []instruction{{op: opRegexp, input: iName, table: literalTable("past", false)}}, false},
		{"anchored", []instruction{{op: opRegexp, input: iData, table: literalTable("abc", true)}}, true},
		{"anchored, not", []instruction{{op: opRegexp, input: iData, table: literalTable("ab", true)}}, false},
		{"-5 = -5", []instruction{{op: opEqual, input: iNumber, b: uint64(minusFive)}}, true},
		{"-5 ≠ -5", []instruction{{op: opNotEqual, input: iNumber, b: uint64(minusFive)}}, false},
		{"-5 < 0", []instruction{{op: opLess, input: iNumber}}, true},
		{"-5 ≤ -5", []instruction{{op: opAtMost, input: iNumber, b: uint64(minusFive)}}, true},
		{"-5 > 0", []instruction{{op: opMore, input: iNumber}}, false},
		{"-5 ≥ -5", []instruction{{op: opAtLeast, input: iNumber, b: uint64(minusFive)}}, true},
		{"-5 < 0.5", []instruction{{op: opLess, input: iNumber, a: compareFloat, b: half64}}, true},
		{"a named int8", []instruction{{op: opLess, input: iSmall}}, true},
		{"2⁶⁴-1 > -5", []instruction{{op: opMore, input: iBig, b: uint64(minusFive)}}, true},
		{"2⁶⁴-1 = -1", []instruction{{op: opEqual, input: iBig, b: math.MaxUint64}}, false},
		{"0.5 = 0.5", []instruction{{op: opEqual, input: iHalf, a: compareFloat, b: half64}}, true},
		{"0.5 > 0", []instruction{{op: opMore, input: iHalf}}, true},
		{"NaN ≥ 0", []instruction{{op: opAtLeast, input: iNaN}}, false},
		{"NaN ≠ 0", []instruction{{op: opNotEqual, input: iNaN}}, true},
		{"true = 1", []instruction{{op: opEqual, input: iTruth, b: 1}}, true},
		{"a string's number", []instruction{{op: opNotEqual, input: iName}}, false},
		{"length of a string", []instruction{{op: opEqual, input: iName, a: compareLength, b: 11}}, true},
		{"length of bytes", []instruction{{op: opMore, input: iData, a: compareLength, b: 3}}, false},
		{"length of a number", []instruction{{op: opAtLeast, input: iNumber, a: compareLength}}, false},
		{"nil pointer", []instruction{{op: opNil, input: iPointer}}, true},
		{"interface with a nil pointer", []instruction{{op: opNil, input: iHeld}}, false},
		{"nil interface", []instruction{{op: opNil, input: iNothing}}, true},
		{"nil slice", []instruction{{op: opNil, input: iSlice}}, true},
		{"map, not nil", []instruction{{op: opNotNil, input: iTable}}, true},
		{"a number is neither", []instruction{{op: opNotNil, input: iNumber}}, false},
		{"an absent input", []instruction{{op: opNil, input: iAbsent}}, false},
		{"an input beyond the last", []instruction{{op: opNil, input: iMissing}}, false},
	}
	s := fresh(t)
	for _, c := range cases {
		s.begin()
		s.condition(pointRule, c.program...)
		if len(c.program) == 0 {
			s.record(pointRule).condition = 8
		}
		s.publish()
		if _, held := holds(&pointSite, inputs); held != c.want {
			t.Errorf("%s: %v", c.what, held)
		}
	}
}

func TestAStackTooDeepIsFalse(t *testing.T) {
	s := fresh(t)
	for depth, want := range map[int]bool{conditionDepth: true, conditionDepth + 1: false} {
		s.begin()
		var program []instruction
		for i := 0; i < depth; i++ {
			program = append(program, instruction{op: opTrue})
		}
		for i := 1; i < depth; i++ {
			program = append(program, instruction{op: opAnd})
		}
		s.condition(pointRule, program...)
		s.publish()
		if _, held := holds(&pointSite, nil); held != want {
			t.Errorf("depth %d: %v", depth, held)
		}
	}
}

func TestARateHoldsThatOftenASecond(t *testing.T) {
	s := fresh(t)
	s.condition(pointRule, instruction{op: opRate, b: 5})
	s.publish()
	count := func() (n int) {
		for i := 0; i < 50; i++ {
			if _, held := holds(&pointSite, nil); held {
				n++
			}
		}
		return n
	}
	if n := count(); n != 5 && n != 6 {
		t.Errorf("%d at once, not 5", n)
	}
	time.Sleep(450 * time.Millisecond)
	if n := count(); n < 2 || n > 5 {
		t.Errorf("%d after 0.45 s, not 2", n)
	}
}

func TestConditionsAreReplacedWhileTheProgramRuns(t *testing.T) {
	s := fresh(t)
	set := func(prefix string) {
		s.begin()
		s.condition(abortRule, instruction{op: opPrefix, bytes: prefix})
		s.publish()
	}
	set("/a")
	s.flag(abortRule, 1)
	if guarded("/a") == nil || guarded("/b") != nil {
		t.Error("before")
	}
	set("/b")
	if guarded("/a") != nil || guarded("/b") == nil {
		t.Error("after")
	}
}

func TestAPageThatIsRewrittenAllTheTimeNeverGivesAMixture(t *testing.T) {
	s := fresh(t)
	s.flag(abortRule, 1)
	// Two publications that agree on the answer and differ in every offset.
	prepare := func(padding int) []byte {
		s.begin()
		s.place(make([]byte, padding))
		s.condition(abortRule, instruction{op: opPrefix, bytes: "/refused/"}, instruction{op: opSuffix, bytes: "x"},
			instruction{op: opAnd})
		s.record(abortRule).limit = 1
		return s.arena
	}
	arenas := [2][]byte{prepare(0), prepare(4096)}
	s.arena = arenas[0]
	s.publish()
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				s.arena = arenas[i&1]
				s.publish()
			}
		}
	}()
	for i := 0; i < 20000; i++ {
		if guarded("/allowed/x") != nil {
			t.Fatal("aborts what no publication refuses")
		}
	}
	close(stop)
	wait.Wait()
	if guarded("/refused/x") == nil {
		t.Error("no longer aborts")
	}
}

// guardedPage is a control page between two that nobody may touch: a read beyond it ends the test.
func guardedPage() []byte {
	const guard = 4096
	memory, err := syscall.Mmap(-1, 0, controlSize+2*guard, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		panic(err)
	}
	for _, at := range []int{0, guard + controlSize} {
		if err := syscall.Mprotect(memory[at:at+guard], syscall.PROT_NONE); err != nil {
			panic(err)
		}
	}
	return memory[guard : guard+controlSize]
}

func TestRandomConditionsStayInsideThePage(t *testing.T) {
	fresh(t)
	page := guardedPage()
	real := control
	control = (*controlHeader)(unsafe.Pointer(&page[0]))
	defer func() { control = real }()
	control.rules = 1
	arena := page[arenaOffset:][:arenaSize]
	little := binary.LittleEndian
	random := rand.New(rand.NewPCG(1, 2))
	operations := []uint8{opAnd, opOr, opNot, opTrue, opEqual, opNotEqual, opLess, opAtMost, opMore, opAtLeast, opEquals,
		opPrefix, opSuffix, opContains, opSet, opRegexp, opNil, opNotNil, opRate, 77}
	// Offsets and lengths are near zero, near the arena's end, near a word's, or anywhere.
	pick := func() uint32 {
		switch random.IntN(5) {
		case 0:
			return uint32(random.IntN(4096))
		case 1:
			return uint32(arenaSize - 300 + random.IntN(310))
		case 2:
			return uint32(math.MaxUint32 - random.IntN(20))
		case 3:
			return uint32(random.IntN(arenaSize))
		}
		return uint32(random.Uint64())
	}
	name, data, number := "/etc/passwd", []byte("ab"), 3
	inputs := []any{&name, &data, &number, nil}
	record := (*ruleRecord)(unsafe.Pointer(&arena[0]))
	copy(arena[512:], literalTable("pass", false))
	held := 0
	for round := 0; round < 100000; round++ {
		*record = ruleRecord{condition: pick(), conditionCount: uint32(1 + random.IntN(4)), capture: pick(),
			scrub: uint32(random.IntN(16)), scrubRegexps: uint32(random.IntN(2)) * pick(), scrubInputs: pick()}
		if random.IntN(2) == 0 {
			record.condition = 64
			for i := 0; i < 4; i++ {
				at := arena[64+16*i:]
				at[0], at[1] = operations[random.IntN(len(operations))], uint8(random.IntN(6))
				little.PutUint32(at[4:], pick())
				little.PutUint64(at[8:], uint64(pick())*uint64(1+random.IntN(2)*math.MaxUint32))
			}
		}
		// A table's header, a list of tables and a set's pairs.
		for at := 256; at < 320; at += 4 {
			little.PutUint32(arena[at:], pick())
		}
		for at := 512; at < 528; at += 4 {
			if random.IntN(4) == 0 {
				little.PutUint32(arena[at:], pick())
			}
		}
		site := Site{Record: ^uint64(0), Names: "name,data,token;err"}
		r, ok := holds(&site, inputs)
		if ok {
			held++
		} else if r, ok = ruleOf(&site); !ok {
			t.Fatal("the rule is gone")
		}
		var values payload
		values.putAll(&site, r, inputs, 0, ^uint64(0))
		if values.length > payloadLimit {
			t.Fatal("a payload too long")
		}
	}
	if held == 0 || held == 100000 {
		t.Errorf("%d held: the programs are not varied", held)
	}
}

// FuzzEvaluator gives the evaluator a hostile page: whatever the record, the programs, the tables and the offsets are,
// nothing outside the page is read and every loop ends.
func FuzzEvaluator(f *testing.F) {
	s := fresh(f)
	s.condition(pointRule, instruction{op: opPrefix, bytes: "/etc/"}, instruction{op: opNot},
		instruction{op: opSet, set: []string{"a", "/etc/passwd"}}, instruction{op: opOr},
		instruction{op: opEqual, a: compareLength, b: 3}, instruction{op: opAnd})
	f.Add(s.arena, uint32(3), false)
	s.begin()
	table := s.place(literalTable("x", false))
	s.record(pointRule).scrubRegexps = s.place([]byte{1, 0, 0, 0, byte(table), byte(table >> 8), 0, 0})
	s.record(pointRule).scrub = 15
	f.Add(s.arena, uint32(2), true)
	s.begin()
	s.condition(pointRule, instruction{op: opRegexp, table: literalTable("needle", false)})
	f.Add(s.arena, uint32(1), true)
	page := guardedPage()
	real := control
	f.Fuzz(func(t *testing.T, content []byte, epoch uint32, atEnd bool) {
		control = (*controlHeader)(unsafe.Pointer(&page[0]))
		defer func() { control = real }()
		clear(page)
		control.rules, control.epoch = testRules, epoch
		arena := page[arenaOffset+int(epoch&1)*arenaSize:][:arenaSize]
		copy(arena, content)
		if atEnd && len(content) <= arenaSize {
			copy(arena[arenaSize-len(content):], content)
		}
		name, data, number, nothing := "/etc/passwd needle", []byte("4111 1111 1111 1111"), 7, any(nil)
		for rule := uint32(0); rule < testRules; rule += pointRule {
			site := Site{Rule: rule, Record: ^uint64(0), Names: "name,password;err"}
			inputs := []any{&name, &data, &number, &nothing, nil}
			r, held := holds(&site, inputs)
			if !held {
				r, _ = ruleOf(&site)
			}
			var values payload
			values.putAll(&site, r, inputs, 0, ^uint64(0))
			if values.length > payloadLimit {
				t.Fatal("a payload too long")
			}
		}
	})
}

// FuzzTable runs tables whose header is nearly right, which random pages seldom hold.
func FuzzTable(f *testing.F) {
	f.Add(literalTable("abc", false), "xxabcxx", uint32(0))
	f.Add(literalTable("abc", true), "abc", uint32(arenaSize-100))
	page := guardedPage()
	f.Fuzz(func(t *testing.T, table []byte, subject string, offset uint32) {
		a := arena{base: uintptr(unsafe.Pointer(&page[arenaOffset+arenaSize]))}
		memory := page[arenaOffset+arenaSize:][:arenaSize]
		offset %= arenaSize
		clear(memory)
		copy(memory[offset:], table)
		if d, ok := dfaAt(a, offset); ok {
			d.matches(text{unsafe.Pointer(unsafe.StringData(subject)), len(subject)})
		}
	})
}

func TestTablesAgreeWithASearch(t *testing.T) {
	fresh(t)
	page := guardedPage()
	a := arena{base: uintptr(unsafe.Pointer(&page[arenaOffset]))}
	for _, needle := range []string{"a", "aab", "abab", "issip"} {
		copy(page[arenaOffset:], literalTable(needle, false))
		d, ok := dfaAt(a, 0)
		if !ok {
			t.Fatal("the table was refused")
		}
		for _, hay := range []string{"", "a", "aaab", "abaabab", "mississippi", "ababx", "xaa", "bbb"} {
			got := d.matches(text{unsafe.Pointer(unsafe.StringData(hay)), len(hay)})
			if got != strings.Contains(hay, needle) {
				t.Errorf("%q in %q: %v", needle, hay, got)
			}
		}
	}
}
