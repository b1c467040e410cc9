package sandboxhook

import (
	"bytes"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Functions hooked as the rewriter hooks them.

const (
	openRule = iota
	readRule
	pointRule
	abortRule
	pickRule
	panicRule
	countRule
	genericRule
	stackRule
	literalRule
)

var openSite = Site{Magic: siteMagic, Rule: openRule, Kind: SiteFunction, Record: 3, Options: OptionExit, Inputs: 2,
	Function: "test.open", Names: "name,flag;n,err"}

//go:noinline
func open(name string, flag int) (n int, err error) {
	if Flags[openRule] != 0 {
		var sandboxF Frame
		if Enter(&openSite, &sandboxF, &name, &flag) {
			return
		}
		defer Exit(&sandboxF, &n, &err)
	}
	if flag == 13 {
		return -1, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	}
	return flag + len(name), nil
}

type file struct{ position int }

var readSite = Site{Magic: siteMagic, Rule: readRule, Kind: SiteFunction, Record: ^uint64(0), Options: OptionExit,
	Function: "test.(*file).read", Names: "f,to;n"}

//go:noinline
func (f *file) read(to []byte) (n int) {
	if Flags[readRule] != 0 {
		var sandboxF Frame
		if Enter(&readSite, &sandboxF, &f, &to) {
			return
		}
		defer Exit(&sandboxF, &n)
	}
	if f == nil {
		panic("read of a nil file")
	}
	f.position += len(to)
	return len(to)
}

var abortSite = Site{Magic: siteMagic, Rule: abortRule, Kind: SiteFunction, Record: 1, Options: OptionAbort, Names: "name;err"}
var abortError = Error{"refused by rule no-secrets"}

//go:noinline
func guarded(name string) (err error) {
	if Flags[abortRule] != 0 {
		var sandboxF Frame
		if Enter(&abortSite, &sandboxF, &name) {
			err = &abortError
			return
		}
	}
	return nil
}

var genericSite = Site{Magic: siteMagic, Rule: genericRule, Kind: SiteFunction, Record: ^uint64(0), Options: OptionExit, Names: "a,b;max"}

//go:noinline
func largest[T int8 | float32 | string](a, b T) (max T) {
	if Flags[genericRule] != 0 {
		var sandboxF Frame
		if Enter(&genericSite, &sandboxF, &a, &b) {
			return
		}
		defer Exit(&sandboxF, &max)
	}
	if a > b {
		return a
	}
	return b
}

var testSites = []*Site{&openSite, &readSite, &abortSite, &genericSite, &pointSite, &countSite, &pickSite, &panicSite,
	&literalSite, &stackSite}

func one(t *testing.T, events []event) event {
	t.Helper()
	if len(events) != 1 {
		t.Fatalf("%d events, not one", len(events))
	}
	return events[0]
}

func TestADormantHookWritesNothing(t *testing.T) {
	s := fresh(t)
	open("a", 1)
	if n := len(s.drain()); n != 0 {
		t.Errorf("%d events of a rule that is off", n)
	}
	s.flag(openRule, 1)
	open("a", 1)
	if n := len(s.drain()); n != 2 {
		t.Errorf("%d events of the same rule on", n)
	}
}

func TestEnterAndExitAreOnePairWithArgumentsAndResults(t *testing.T) {
	s := fresh(t)
	s.flag(openRule, 1)
	before := nanotime()
	open("/etc/hosts", 13)
	after := nanotime()
	events := s.drain()
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	enter, exit := events[0], events[1]
	if enter.kind != eventEnter || exit.kind != eventExit || enter.frame != enter.commit || exit.frame != enter.commit {
		t.Errorf("kinds %d %d, frames %d %d, the enter's position is %d", enter.kind, exit.kind, enter.frame, exit.frame,
			enter.commit-1)
	}
	if enter.site != uint64(uintptr(unsafe.Pointer(&openSite))) || exit.site != enter.site {
		t.Error("not the site's address")
	}
	if enter.time < uint64(before) || exit.time < enter.time || exit.time > uint64(after) {
		t.Errorf("times %d %d outside %d..%d", enter.time, exit.time, before, after)
	}
	if enter.values[0] != "/etc/hosts" || enter.values[1] != int64(13) || enter.full[0] != 10 {
		t.Errorf("arguments %v", enter.values)
	}
	want := "*fs.PathError open /etc/hosts syscall.Errno 2"
	if exit.values[128] != int64(-1) || exit.values[129] != want || exit.tags[129] != tagError {
		t.Errorf("results %v", exit.values)
	}
	if s.counted(&openSite) == 0 {
		t.Error("the site's counter was not touched")
	}
}

func TestTheGoroutineIsTheOneInAStackTrace(t *testing.T) {
	s := fresh(t)
	s.flag(openRule, 1)
	var wanted [8]uint64
	var wait sync.WaitGroup
	for i := range wanted {
		wait.Add(1)
		go func() {
			defer wait.Done()
			text := make([]byte, 64)
			fields := bytes.Fields(text[:runtime.Stack(text, false)])
			wanted[i], _ = strconv.ParseUint(string(fields[1]), 10, 64)
			open("x", 100+i)
		}()
	}
	wait.Wait()
	for _, e := range s.drain() {
		if e.kind == eventEnter {
			if i := e.values[1].(int64) - 100; e.goroutine != wanted[i] {
				t.Errorf("goroutine %d, a stack trace says %d", e.goroutine, wanted[i])
			}
		}
	}
}

func TestExitSaysThatAPanicLeavesTheFunction(t *testing.T) {
	s := fresh(t)
	s.flag(readRule, 1)
	s.flag(openRule, 1)
	func() {
		defer func() {
			open("in a deferred call", 1) // began after the panic: it returns
			growStack(200)
			if recover() == nil {
				t.Error("the hook swallowed the panic")
			}
		}()
		(*file)(nil).read(nil)
	}()
	var wait sync.WaitGroup
	wait.Add(1)
	go func() { // Goexit
		defer wait.Done()
		var sandboxF Frame
		Enter(&openSite, &sandboxF)
		defer Exit(&sandboxF)
		runtime.Goexit()
	}()
	wait.Wait()
	var exits []uint16
	for _, e := range s.drain() {
		if e.kind == eventExit {
			exits = append(exits, e.flags)
		}
	}
	want := []uint16{flagPanicking, 0, flagPanicking}
	if len(exits) != len(want) || exits[0] != want[0] || exits[1] != want[1] || exits[2] != want[2] {
		t.Errorf("flags of the exits are %v, not %v", exits, want)
	}
}

func TestARecoveredPanicIsNone(t *testing.T) {
	s := fresh(t)
	s.flag(openRule, 1)
	func() {
		var sandboxF Frame
		Enter(&openSite, &sandboxF)
		defer Exit(&sandboxF)
		defer func() { recover() }()
		panic("x")
	}()
	if events := s.drain(); events[1].flags != 0 {
		t.Errorf("flags %d", events[1].flags)
	}
}

func TestAPanicAcrossAMoveOfTheStackIsStillTheSame(t *testing.T) {
	s := fresh(t)
	s.flag(openRule, 1)
	done := make(chan bool)
	go func() {
		defer close(done)
		defer func() {
			func() {
				var sandboxF Frame
				Enter(&openSite, &sandboxF)
				defer Exit(&sandboxF)
				growStack(2000)
			}()
			recover()
		}()
		panic("x")
	}()
	<-done
	if events := s.drain(); events[1].flags != 0 {
		t.Errorf("flags %d", events[1].flags)
	}
}

//go:noinline
func growStack(depth int) int {
	var room [256]byte
	room[depth%256] = 1
	if depth == 0 {
		return int(room[0])
	}
	return growStack(depth-1) + int(room[3])
}

func TestAbortReturnsTheRulesError(t *testing.T) {
	s := fresh(t)
	s.condition(abortRule, instruction{op: opPrefix, bytes: "/secret/"})
	s.publish()
	if err := guarded("/secret/x"); err != nil {
		t.Error("a dormant rule aborts")
	}
	s.flag(abortRule, 1)
	if err := guarded("/public/x"); err != nil {
		t.Error("aborts where the condition does not hold")
	}
	if err := guarded("/secret/x"); err == nil || err.Error() != "refused by rule no-secrets" {
		t.Errorf("the error is %v", err)
	}
	if e := one(t, s.drain()); e.kind != eventAborted || e.values[0] != "/secret/x" || e.frame != 0 {
		t.Errorf("event %d %v", e.kind, e.values)
	}
}

func TestAnAbortIsNeverSampledOnlyItsEventIs(t *testing.T) {
	s := fresh(t)
	s.record(abortRule).limit = 2
	s.publish()
	s.flag(abortRule, 1)
	for i := 0; i < 5; i++ {
		if guarded("x") == nil {
			t.Error("call", i, "went through")
		}
	}
	if n := len(s.drain()); n != 2 {
		t.Errorf("%d events, the limit is 2", n)
	}
}

var pointSite = Site{Magic: siteMagic, Rule: pointRule, Kind: SiteCall, Record: ^uint64(0)}

var countSite = Site{Magic: siteMagic, Rule: countRule, Kind: SiteFunction, Options: OptionCountOnly}

var pickSite = Site{Magic: siteMagic, Rule: pickRule, Kind: SiteReplace, Options: OptionCountOnly}

func TestPickReplacesWhileTheRuleIsOn(t *testing.T) {
	s := fresh(t)
	call := func() string { return Pick(&pickSite, strings.ToUpper, strings.ToLower)("Text") }
	if got := call(); got != "TEXT" {
		t.Error(got)
	}
	s.flag(pickRule, 1)
	if got := call(); got != "text" {
		t.Error(got)
	}
	s.begin()
	s.condition(pickRule, instruction{op: opTrue}, instruction{op: opNot})
	s.publish()
	if got := call(); got != "TEXT" {
		t.Error(got)
	}
}

var panicSite = Site{Magic: siteMagic, Rule: panicRule, Kind: SitePanic, Record: 1}
var literalSite = Site{Magic: siteMagic, Rule: literalRule, Kind: SiteLiteral, Record: 1}

var stackSite = Site{Magic: siteMagic, Rule: stackRule, Kind: SiteFunction, Options: OptionStack | OptionExit}

//go:noinline
func innermost() {
	if Flags[stackRule] != 0 {
		var sandboxF Frame
		if Enter(&stackSite, &sandboxF) {
			return
		}
		defer Exit(&sandboxF)
	}
}

//go:noinline
func middle() int { innermost(); return len(stackSite.Names) }

func TestTheStackBeginsWithTheHookedFunction(t *testing.T) {
	s := fresh(t)
	s.flag(stackRule, 1)
	middle()
	pcs, _ := s.drain()[0].values[stackIndex].([]uintptr)
	var names []string
	for _, pc := range pcs {
		names = append(names, runtime.FuncForPC(pc-1).Name())
	}
	if len(names) < 3 || !strings.HasSuffix(names[0], ".innermost") || !strings.HasSuffix(names[1], ".middle") ||
		!strings.HasSuffix(names[2], ".TestTheStackBeginsWithTheHookedFunction") {
		t.Errorf("%v", names)
	}
	done := make(chan bool)
	go func() { // the walk ends where the goroutine began
		innermost()
		done <- true
	}()
	<-done
	if pcs := s.drain()[0].values[stackIndex].([]uintptr); len(pcs) == 0 || len(pcs) > 3 {
		t.Errorf("%d frames of a goroutine two calls deep", len(pcs))
	}
}

func TestHooksWorkInFinalizers(t *testing.T) {
	s := fresh(t)
	s.flag(openRule, 1)
	done := make(chan bool)
	func() {
		held := &[16]int{}
		runtime.SetFinalizer(held, func(*[16]int) { open("finalizer", 1); close(done) })
	}()
	for waited := 0; waited < 100; waited++ {
		runtime.GC()
		select {
		case <-done:
			if n := len(s.drain()); n != 2 {
				t.Errorf("%d events", n)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the finalizer never ran")
}

func TestNothingIsAllocatedOffAndOn(t *testing.T) {
	s := fresh(t)
	name := strings.Repeat("n", 20)
	f := &file{}
	buffer := make([]byte, 8)
	calls := map[string]func(){
		"entry and exit": func() { open(name, 1) },
		"with an error":  func() { guarded(name) },
		"method":         func() { f.read(buffer) },
		"generic":        func() { largest(name, name) },
		"point":          func() { Point(&pointSite, &name) },
		"stack":          innermost,
		"panic":          func() { Panic(&panicSite, name2) },
	}
	for _, on := range []uint32{0, 1} {
		for rule := 0; rule < testRules; rule++ {
			s.flag(rule, on)
		}
		for name, call := range calls {
			if n := testing.AllocsPerRun(200, call); n != 0 {
				t.Errorf("%s, flag %d: %v allocations", name, on, n)
			}
		}
		events := len(s.drain())
		if (events > 0) != (on == 1) {
			t.Errorf("flag %d: %d events", on, events)
		}
	}
}

var name2 any = "a panic's text"
