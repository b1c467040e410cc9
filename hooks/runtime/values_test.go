package sandboxhook

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

func TestAMethodsReceiverAndBytesAreRead(t *testing.T) {
	s := fresh(t)
	s.flag(readRule, 1)
	f := &file{}
	f.read([]byte("abc"))
	enter := s.drain()[0]
	if enter.tags[0] != tagPointer || enter.values[0] != uint64(uintptr(unsafe.Pointer(f))) {
		t.Errorf("the receiver is %v", enter.values[0])
	}
	if enter.tags[1] != tagBytes || enter.values[1] != "abc" {
		t.Errorf("the bytes are %q", enter.values[1])
	}
}

func TestGenericFunctionsAndNamedTypes(t *testing.T) {
	s := fresh(t)
	s.flag(genericRule, 1)
	largest(int8(-3), 5)
	largest(float32(1.5), 0.5)
	largest("a", "b")
	type seen struct{ a, max any }
	var got []seen
	for events := s.drain(); len(events) > 0; events = events[2:] {
		got = append(got, seen{events[0].values[0], events[1].values[128]})
	}
	want := []seen{{int64(-3), int64(5)}, {1.5, 1.5}, {"a", "b"}}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v, not %v", got[i], want[i])
		}
	}
}

func TestEachKindOfValueHasItsTag(t *testing.T) {
	s := fresh(t)
	s.flag(pointRule, 1)
	type celsius float64
	type path string
	type named int16
	var (
		u8       = uint8(200)
		when     = time.Second
		temp     = celsius(36.6)
		where    = path("/x")
		small    = named(-2)
		truth    = true
		nothing  error
		anything any = path("inside")
		plain        = errors.New("plain text")
		reader   any = strings.NewReader("x")
		channel  chan int
		list         = []int{1, 2, 3}
		pair         = struct{ a, b int32 }{1, 2}
		digest       = [4]byte{'a', 'b', 'c', 'd'}
		wrapped      = struct{ p *int }{new(int)}
		hidden   any = wrapped
	)
	cases := []struct {
		input any
		tag   uint8
		value any
	}{
		{&u8, tagUint, uint64(200)}, {&when, tagInt, int64(time.Second)}, {&temp, tagFloat, 36.6},
		{&where, tagString, "/x"}, {&small, tagInt, int64(-2)}, {&truth, tagBool, true}, {&nothing, tagNil, nil},
		{&anything, tagString, "inside"}, {&plain, tagError, "plain text"}, {&reader, tagPointer, nil},
		{&channel, tagNil, nil}, {&list, tagOther, nil}, {&pair, tagOther, nil}, {&digest, tagBytes, "abcd"},
		{&wrapped, tagOther, nil}, {&hidden, tagOther, nil},
	}
	for i, c := range cases {
		Point(&pointSite, c.input)
		e := one(t, s.drain())
		if e.tags[0] != c.tag || c.value != nil && e.values[0] != c.value {
			t.Errorf("case %d: tag %d, value %v; not %d, %v", i, e.tags[0], e.values[0], c.tag, c.value)
		}
	}
	Point(&pointSite, &u8, nil, &truth)
	if e := one(t, s.drain()); len(e.values) != 2 || e.values[2] != true {
		t.Errorf("with an absent input: %v", e.values)
	}
}

func TestValuesThatDoNotFitAreCutAndSaidSo(t *testing.T) {
	s := fresh(t)
	s.record(pointRule).capture = captureLimit
	s.publish()
	s.flag(pointRule, 1)
	long := strings.Repeat("long text ", 50)
	Point(&pointSite, &long, &long)
	e := one(t, s.drain())
	if e.flags&flagTruncated == 0 || e.full[0] != 500 || e.values[0] != long[:captureLimit] {
		t.Errorf("flags %d, full length %d, %q", e.flags, e.full[0], e.values[0])
	}
	short := "short"
	Point(&pointSite, &short)
	if e := one(t, s.drain()); e.flags != 0 {
		t.Errorf("flags %d of a short text", e.flags)
	}
	many := make([]any, 40)
	for i := range many {
		number := i
		many[i] = &number
	}
	Point(&pointSite, many...)
	if e := one(t, s.drain()); e.flags&flagTruncated == 0 || len(e.values) != payloadLimit/12 {
		t.Errorf("flags %d, %d values", e.flags, len(e.values))
	}
}

func TestOnlyChosenInputsAreRecorded(t *testing.T) {
	s := fresh(t)
	s.flag(pointRule, 1)
	site := pointSite
	site.Record = 2
	a, b := 1, 2
	Point(&site, &a, &b)
	if e := one(t, s.drain()); len(e.values) != 1 || e.values[1] != int64(2) {
		t.Errorf("%v", e.values)
	}
}

func TestPanicAndLiteralHandTheirValueThrough(t *testing.T) {
	s := fresh(t)
	s.flag(panicRule, 1)
	s.flag(literalRule, 1)
	for _, c := range []struct {
		value any
		shown any
	}{
		{"text", "text"}, {42, int64(42)}, {errors.New("plain"), "plain"},
		{&os.LinkError{Op: "link", Old: "a", New: "b", Err: syscall.EPERM}, "*os.LinkError link a b syscall.Errno 1"},
	} {
		if got := Panic(&panicSite, c.value); got != c.value {
			t.Errorf("%v became %v", c.value, got)
		}
		if e := one(t, s.drain()); e.values[0] != c.shown || e.kind != eventPoint {
			t.Errorf("%v is shown as %v", c.value, e.values[0])
		}
	}
	type pair struct{ a, b int32 }
	if got := Literal(&literalSite, pair{1, 2}); got != (pair{1, 2}) {
		t.Error(got)
	}
	if e := one(t, s.drain()); e.full[0] != 8 {
		t.Errorf("size %d", e.full[0])
	}
}
