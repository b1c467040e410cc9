// The shape of OpenTelemetry's compile-time instrumentation: a trampoline before and one after the function, each with a
// recover of its own; the first makes a hook context with the parameters' addresses whether or not a hook is there.
package main

import "errors"

var errNoName = errors.New("no name")

type hookContext struct {
	parameters, results   []any
	data                  any
	skip                  bool
	function, packageName string
}

var (
	beforeOpen  func(*hookContext, string, int, uint32)
	afterOpen   func(*hookContext, int, error)
	beforeRead  func(*hookContext, *connection, []byte)
	afterRead   func(*hookContext, int, error)
	beforeScale func(*hookContext, int, int)
	afterScale  func(*hookContext, int)
)

func rescue(where string) {
	if failure := recover(); failure != nil {
		println("failed to run", where)
	}
}

//go:noinline
func beforeTrampolineOpen(name *string, flag *int, mode *uint32) (*hookContext, bool) {
	defer rescue("before open")
	context := &hookContext{parameters: []any{name, flag, mode}, function: "open", packageName: "main"}
	if beforeOpen != nil {
		beforeOpen(context, *name, *flag, *mode)
	}
	return context, context.skip
}

//go:noinline
func afterTrampolineOpen(context *hookContext, descriptor *int, err *error) {
	defer rescue("after open")
	context.results = []any{descriptor, err}
	if afterOpen != nil {
		afterOpen(context, *descriptor, *err)
	}
}

//go:noinline
func open(name string, flag int, mode uint32) (descriptor int, err error) {
	if context, skip := beforeTrampolineOpen(&name, &flag, &mode); skip {
		afterTrampolineOpen(context, &descriptor, &err)
		return descriptor, err
	} else {
		defer afterTrampolineOpen(context, &descriptor, &err)
	}
	if name == "" {
		return -1, errNoName
	}
	return flag + len(name), nil
}

type connection struct{ position int }

//go:noinline
func beforeTrampolineRead(c **connection, p *[]byte) (*hookContext, bool) {
	defer rescue("before read")
	context := &hookContext{parameters: []any{c, p}, function: "read", packageName: "main"}
	if beforeRead != nil {
		beforeRead(context, *c, *p)
	}
	return context, context.skip
}

//go:noinline
func afterTrampolineRead(context *hookContext, n *int, err *error) {
	defer rescue("after read")
	context.results = []any{n, err}
	if afterRead != nil {
		afterRead(context, *n, *err)
	}
}

//go:noinline
func (c *connection) read(p []byte) (n int, err error) {
	if context, skip := beforeTrampolineRead(&c, &p); skip {
		afterTrampolineRead(context, &n, &err)
		return n, err
	} else {
		defer afterTrampolineRead(context, &n, &err)
	}
	c.position += len(p)
	return len(p), nil
}

//go:noinline
func beforeTrampolineScale(value, factor *int) (*hookContext, bool) {
	defer rescue("before scale")
	context := &hookContext{parameters: []any{value, factor}, function: "scale", packageName: "main"}
	if beforeScale != nil {
		beforeScale(context, *value, *factor)
	}
	return context, context.skip
}

//go:noinline
func afterTrampolineScale(context *hookContext, product *int) {
	defer rescue("after scale")
	context.results = []any{product}
	if afterScale != nil {
		afterScale(context, *product)
	}
}

//go:noinline
func scale(value, factor int) (product int) {
	if context, skip := beforeTrampolineScale(&value, &factor); skip {
		afterTrampolineScale(context, &product)
		return product
	} else {
		defer afterTrampolineScale(context, &product)
	}
	return value * factor
}

var seen int

func switchOn() {
	beforeOpen = func(*hookContext, string, int, uint32) { seen++ }
	afterOpen = func(*hookContext, int, error) { seen++ }
	beforeRead = func(*hookContext, *connection, []byte) { seen++ }
	afterRead = func(*hookContext, int, error) { seen++ }
	beforeScale = func(*hookContext, int, int) { seen++ }
	afterScale = func(*hookContext, int) { seen++ }
}
