package sandboxhook

import "unsafe"

// Enter is called at the beginning of a hooked function whose rule is on. inputs are pointers to parameters; nil where
// the function has none of that name. True: the function is to return the rule's error or results at once.
func Enter(site *Site, frame *Frame, inputs ...any) (abort bool) {
	rule, held := holds(site, inputs)
	if !held {
		return false
	}
	count(site)
	abort = site.Options&OptionAbort != 0
	if site.Options&OptionCountOnly != 0 || !admit(site, rule.record) {
		return abort
	}
	prepare()
	g := currentG()
	var values payload
	if site.Options&OptionStack != 0 {
		var here byte
		values.putStack(g, g.depth(uintptr(unsafe.Pointer(&here))))
	}
	values.putAll(site, rule, inputs, 0, site.Record)
	if abort {
		write(site, g, eventAborted, 0, 0, &values)
		return true
	}
	frame.site = site
	frame.panicking = g.panicking()
	frame.enter = write(site, g, eventEnter, ownFrame, 0, &values)
	return false
}

// Exit is deferred by a hooked function. results are pointers to its results.
func Exit(frame *Frame, results ...any) {
	if frame.enter == 0 {
		return
	}
	at := nanotime()
	prepare()
	g := currentG()
	site := frame.site
	var values payload
	// A panic older than the frame cannot unwind it: one that ran at Enter says nothing.
	if now := g.panicking(); now != 0 && now != frame.panicking {
		values.flags = flagPanicking
	}
	rule, ok := ruleOf(site)
	if ok {
		values.putAll(site, rule, results, resultIndex, ^uint64(0))
	}
	write(site, g, eventExit, frame.enter, at, &values)
}

// Point is an event without an exit: a call site or a literal.
func Point(site *Site, inputs ...any) {
	if site.Rule < ruleLimit && Flags[site.Rule] != 0 {
		point(site, inputs)
	}
}

// point is kept apart so that a disabled Point costs its test alone.
//
//go:noinline
func point(site *Site, inputs []any) bool {
	rule, held := holds(site, inputs)
	if !held {
		return false
	}
	count(site)
	if site.Options&OptionCountOnly != 0 || !admit(site, rule.record) {
		return true
	}
	prepare()
	g := currentG()
	var values payload
	if site.Options&OptionStack != 0 {
		var here byte
		values.putStack(g, g.depth(uintptr(unsafe.Pointer(&here))))
	}
	values.putAll(site, rule, inputs, 0, site.Record)
	write(site, g, eventPoint, 0, 0, &values)
	return true
}

// Pick chooses what a call site calls: replacement while the rule is on and its condition holds. The type parameter has
// the compiler check that the two are of one type.
func Pick[T any](site *Site, original, replacement T) T {
	if site.Rule < ruleLimit && Flags[site.Rule] != 0 && point(site, nil) {
		return replacement
	}
	return original
}

// Literal records a composite literal's value.
func Literal[T any](site *Site, value T) T {
	if site.Rule < ruleLimit && Flags[site.Rule] != 0 {
		inputs := [1]any{&value}
		point(site, inputs[:])
	}
	return value
}

// Panic records what the program panics with.
func Panic(site *Site, value any) any {
	if site.Rule < ruleLimit && Flags[site.Rule] != 0 {
		inputs := [1]any{&value}
		point(site, inputs[:])
	}
	return value
}
