// The shape of xgo: one trap function behind a variable of the runtime gets what describes the function and slices of
// pointers to its receiver, parameters and results, looks for an interceptor, and returns what is to run afterwards.
package main

import "errors"

var errNoName = errors.New("no name")

type functionInfo struct {
	name       string
	parameters []string
	results    []string
}

var (
	openInfo  = functionInfo{"open", []string{"name", "flag", "mode"}, []string{"descriptor", "err"}}
	readInfo  = functionInfo{"read", []string{"p"}, []string{"n", "err"}}
	scaleInfo = functionInfo{"scale", []string{"value", "factor"}, []string{"product"}}
)

type interceptor func(info *functionInfo, receiver any, parameters, results []any) (after func(), stop bool)

// trap is set at start, as xgo's runtime does; interceptors come and go.
var (
	trap         interceptor = intercept
	interceptors []interceptor
)

func intercept(info *functionInfo, receiver any, parameters, results []any) (after func(), stop bool) {
	for _, i := range interceptors {
		if after, stop = i(info, receiver, parameters, results); after != nil || stop {
			return after, stop
		}
	}
	return nil, false
}

//go:noinline
func open(name string, flag int, mode uint32) (descriptor int, err error) {
	if after, stop := trap(&openInfo, nil, []any{&name, &flag, &mode}, []any{&descriptor, &err}); stop {
		return
	} else if after != nil {
		defer after()
	}
	if name == "" {
		return -1, errNoName
	}
	return flag + len(name), nil
}

type connection struct{ position int }

//go:noinline
func (c *connection) read(p []byte) (n int, err error) {
	if after, stop := trap(&readInfo, &c, []any{&p}, []any{&n, &err}); stop {
		return
	} else if after != nil {
		defer after()
	}
	c.position += len(p)
	return len(p), nil
}

//go:noinline
func scale(value, factor int) (product int) {
	if after, stop := trap(&scaleInfo, nil, []any{&value, &factor}, []any{&product}); stop {
		return
	} else if after != nil {
		defer after()
	}
	return value * factor
}

var seen int

func switchOn() {
	after := func() { seen++ }
	interceptors = append(interceptors, func(*functionInfo, any, []any, []any) (func(), bool) {
		seen++
		return after, false
	})
}
