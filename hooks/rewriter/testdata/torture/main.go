package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"

	"example.com/app/inner"
)

// where prints the caller's place the way log packages find it.
func where(what string) {
	pc, file, line, _ := runtime.Caller(1)
	fn := runtime.FuncForPC(pc)
	entryFile, entryLine := fn.FileLine(fn.Entry())
	fmt.Println(what, fn.Name(), base(file), line, base(entryFile), entryLine)
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

type point struct{ x, y int }

func (p point) value() int     { where("value"); return p.x }
func (p *point) pointer() *int { where("pointer"); return &p.x }
func (point) unnamed() string  { where("unnamed"); return "u" }
func (_ *point) blank(_ int, _ string) (_ int, err error) {
	where("blank")
	return 1, errors.New("blank")
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func (p *pair[K, V]) get() V { where("generic method"); return p.value }

func apply[T, R any](x T, f func(T) R) R {
	where("generic")
	inner := func() R { where("closure in generic"); return f(x) }
	return inner()
}

func variadic(prefix string, rest ...int) (n int) {
	where("variadic")
	for _, r := range rest {
		n += r
	}
	return
}

func unnamedVariadic(int, ...string) (string, error) { where("unnamed variadic"); return "uv", nil }

func recovers() (result string) {
	defer func() {
		if r := recover(); r != nil {
			where("recovering")
			result = fmt.Sprint("recovered ", r)
		}
	}()
	panics(3)
	return "not reached"
}

func panics(depth int) int {
	if depth == 0 {
		panic("bottom")
	}
	return panics(depth-1) + 1
}

func unnamedResultKeptByDefer() int {
	x := 1
	defer func() { x = 2 }()
	return x
}

func helperRecovers() any { return recover() }

func recoverInHooked() (got any) {
	defer func() { got = directly() }()
	defer callsRecover()
	panic("for callsRecover")
}

func directly() any { return "after" }

func callsRecover() {
	where("deferred")
	if r := recover(); r == nil {
		fmt.Println("recover does not work in a hooked function")
	}
}

func jumps(n int) string {
	i := 0
loop:
	if i < n {
		i++
		goto loop
	}
	if n == 2 {
		goto end
	}
	{
		x := n
		_ = x
	}
end:
	return fmt.Sprint("jumped ", i)
}

func shadowed(sandboxhook int, nil string, any float64, true bool) (error string) {
	string := sandboxhook
	_ = string
	return nil
}

func labels() (n int) {
outer:
	for i := 0; i < 3; i++ {
		for {
			n++
			continue outer
		}
	}
	return n
}

func closures() []string {
	var names []string
	add := func(s string) { names = append(names, s) }
	func() {
		add("1")
		func() { where("nested"); add("1.1") }()
	}()
	if runtime.GOOS == "never" {
		func() { add("dead") }()
	}
	for i := range 2 {
		defer func() { where(fmt.Sprint("deferred closure ", i)) }()
	}
	return names
	func() { add("unreachable") }()
	return nil
}

var global = func() string { where("global"); return "g" }()

var table = map[string]func(int) int{
	"double": func(i int) int { where("double"); return 2 * i },
	"square": func(i int) int { where("square"); return i * i },
}

var early = func() int { where("early, which depends on later"); return later + 1 }()

var later = func() int { where("later"); return 41 }()

func init() { where("init"); func() { where("closure in init") }() }

func init() { where("second init") }

func iterate(yield func(int) bool) {
	where("iterate")
	_ = yield(1) && yield(2)
}

func rangesOverFunc() (n int) {
	for i := range iterate {
		func() { n += i }()
	}
	return n
}

func big(a [100]int, b struct{ s []string }, c chan int, d func(), e any, f error, g map[string]int) [100]int {
	where("big")
	return a
}

func capturesParameter(text string) func() string { return func() string { return text } }

func main() {
	p := &point{1, 2}
	fmt.Println(p.value(), *p.pointer(), p.unnamed(), early)
	fmt.Println(p.blank(1, "x"))
	fmt.Println((&pair[string, int]{"k", 7}).get())
	fmt.Println(apply(3, func(i int) string { where("argument"); return fmt.Sprint(i) }))
	fmt.Println(variadic("p", 1, 2, 3), variadic("p"))
	fmt.Println(unnamedVariadic(1, "a"))
	fmt.Println(recovers(), unnamedResultKeptByDefer(), recoverInHooked(), helperRecovers())
	fmt.Println(jumps(2), jumps(3), shadowed(1, "s", 2, false), labels(), closures(), global)
	fmt.Println(table["double"](4), table["square"](4), rangesOverFunc())
	fmt.Println(big([100]int{1}, struct{ s []string }{nil}, nil, nil, nil, nil, nil)[0], capturesParameter("c")())
	words := []string{"b", "a"}
	sort.Slice(words, func(i, j int) bool { where("less"); return words[i] < words[j] })
	inner.Run(where)
	f := p.pointer
	defer fmt.Println("deferred", *f())
	done := make(chan bool)
	go func() { defer close(done); where("goroutine") }()
	<-done
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "panic":
			inner.Deep(3, func() { panics(2) })
		case "nil":
			var none *point
			fmt.Println(none.value())
		case "stack":
			inner.Deep(2, func() { os.Stdout.Write(debug.Stack()) })
		case "goexit":
			go func() { defer os.Exit(3); runtime.Goexit() }()
			select {}
		}
	}
}
