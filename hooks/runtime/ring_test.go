package sandboxhook

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

func TestSamplingPaceAndLimit(t *testing.T) {
	fire := func(set func(*ruleRecord)) (events int, counted uint64) {
		s := fresh(t)
		set(s.record(pointRule))
		s.publish()
		s.flag(pointRule, 1)
		site := pointSite
		for i := 0; i < 100; i++ {
			Point(&site)
		}
		return len(s.drain()), s.counted(&site)
	}
	for name, c := range map[string]struct {
		set  func(*ruleRecord)
		want int
	}{
		"all":              {func(r *ruleRecord) {}, 100},
		"one in ten":       {func(r *ruleRecord) { r.sample = 10 }, 10},
		"seven in all":     {func(r *ruleRecord) { r.limit = 7 }, 7},
		"twenty a second":  {func(r *ruleRecord) { r.perSecond = 20 }, 20},
		"sampled, limited": {func(r *ruleRecord) { r.sample = 10; r.limit = 3 }, 3},
	} {
		events, counted := fire(c.set)
		// A slow machine may let one more token in.
		if events != c.want && !(strings.Contains(name, "second") && events == c.want+1) {
			t.Errorf("%s: %d events, not %d", name, events, c.want)
		}
		if counted != 100 {
			t.Errorf("%s: the counter says %d", name, counted)
		}
	}
}

func TestCountOnlyWritesNoEvents(t *testing.T) {
	s := fresh(t)
	s.flag(countRule, 1)
	var wait sync.WaitGroup
	for g := 0; g < 4; g++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := 0; i < 1000; i++ {
				var sandboxF Frame
				Enter(&countSite, &sandboxF)
				Exit(&sandboxF)
			}
		}()
	}
	wait.Wait()
	if n, events := s.counted(&countSite), len(s.drain()); n != 4000 || events != 0 {
		t.Errorf("counted %d, %d events", n, events)
	}
}

func TestWithoutAFreeCounterTheSiteIsNotCounted(t *testing.T) {
	s := fresh(t)
	s.flag(countRule, 1)
	sites := make([]Site, testCounters+3)
	for i := range sites {
		sites[i] = countSite
		for k := 0; k <= i%3; k++ {
			Point(&sites[i])
		}
	}
	uncounted := 0
	for i := range sites {
		switch s.counted(&sites[i]) {
		case uint64(i%3 + 1):
		case 0:
			uncounted++
		default:
			t.Errorf("site %d counted %d", i, s.counted(&sites[i]))
		}
	}
	if uncounted != 3 {
		t.Errorf("%d sites without a counter, not 3", uncounted)
	}
}

func TestAFullRingDropsAndCounts(t *testing.T) {
	s := fresh(t)
	s.flag(openRule, 1)
	s.flag(pointRule, 1)
	for i := 0; i < testSlots+10; i++ {
		Point(&pointSite)
	}
	if _, err := open("x", 1); err != nil { // an enter that was dropped has no exit
		t.Error(err)
	}
	if s.dropped() != 11 {
		t.Errorf("dropped %d, not 11", s.dropped())
	}
	if n := len(s.drain()); n != testSlots {
		t.Errorf("%d events in a ring of %d", n, testSlots)
	}
	Point(&pointSite)
	if n := len(s.drain()); n != 1 {
		t.Errorf("%d events after the ring was read", n)
	}
}

func TestManyGoroutinesLoseAndDoubleNothing(t *testing.T) {
	s := fresh(t)
	s.flag(openRule, 1)
	const goroutines, calls = 8, 2000
	var wait sync.WaitGroup
	stop := make(chan struct{})
	var events []event
	collected := make(chan struct{})
	collect := func() {
		// Committed slots only, in order: what a collector does while the program runs.
		for {
			consumed := *s.word(0x80)
			at := countersOffset + testCounters*counterSize + int(consumed%testSlots)*slotSize
			if load(s.word(at)) != consumed+1 {
				return
			}
			e := event{slot: *(*slot)(unsafe.Pointer(&s.ring[at]))}
			e.parse()
			events = append(events, e)
			store(s.word(0x80), consumed+1)
		}
	}
	go func() {
		defer close(collected)
		for {
			select {
			case <-stop:
				collect()
				return
			default:
				collect()
				runtime.Gosched()
			}
		}
	}()
	for g := 0; g < goroutines; g++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := 0; i < calls; i++ {
				open("name", 1000+g*calls+i)
			}
		}()
	}
	wait.Wait()
	close(stop)
	<-collected
	enters, exits := map[uint64]event{}, 0
	flags := map[int64]bool{}
	for _, e := range events {
		if e.kind == eventEnter {
			enters[e.frame] = e
			if flags[e.values[1].(int64)] {
				t.Fatal("an event twice")
			}
			flags[e.values[1].(int64)] = true
			continue
		}
		enter, ok := enters[e.frame]
		if !ok || enter.goroutine != e.goroutine || e.values[128].(int64) != enter.values[1].(int64)+4 {
			t.Fatalf("exit %v of %v", e.values, enter.values)
		}
		exits++
	}
	if lost := int(s.dropped()); len(events)+lost < 2*goroutines*calls-lost || len(enters) < exits {
		t.Errorf("%d enters, %d exits, %d dropped of %d calls", len(enters), exits, lost, goroutines*calls)
	}
}
