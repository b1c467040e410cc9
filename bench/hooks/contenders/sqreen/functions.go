// The shape of Sqreen's agent: a pointer per function to a prolog of the function's own type, loaded atomically; the
// prolog gets the parameters' addresses and returns an epilog, deferred with the results' addresses, and an error that
// aborts the call.
package main

import (
	"errors"
	"sync/atomic"
	"unsafe"
)

var errNoName = errors.New("no name")

type (
	openEpilog  = func(descriptor *int, err *error)
	openProlog  = func(name *string, flag *int, mode *uint32) (openEpilog, error)
	readEpilog  = func(n *int, err *error)
	readProlog  = func(c **connection, p *[]byte) (readEpilog, error)
	scaleEpilog = func(product *int)
	scaleProlog = func(value, factor *int) (scaleEpilog, error)
)

var openHook, readHook, scaleHook unsafe.Pointer

//go:noinline
func open(name string, flag int, mode uint32) (descriptor int, err error) {
	if prolog := (*openProlog)(atomic.LoadPointer(&openHook)); prolog != nil {
		epilog, abort := (*prolog)(&name, &flag, &mode)
		if epilog != nil {
			defer epilog(&descriptor, &err)
		}
		if abort != nil {
			err = abort
			return
		}
	}
	if name == "" {
		return -1, errNoName
	}
	return flag + len(name), nil
}

type connection struct{ position int }

//go:noinline
func (c *connection) read(p []byte) (n int, err error) {
	if prolog := (*readProlog)(atomic.LoadPointer(&readHook)); prolog != nil {
		epilog, abort := (*prolog)(&c, &p)
		if epilog != nil {
			defer epilog(&n, &err)
		}
		if abort != nil {
			err = abort
			return
		}
	}
	c.position += len(p)
	return len(p), nil
}

//go:noinline
func scale(value, factor int) (product int) {
	if prolog := (*scaleProlog)(atomic.LoadPointer(&scaleHook)); prolog != nil {
		epilog, abort := (*prolog)(&value, &factor)
		if epilog != nil {
			defer epilog(&product)
		}
		if abort != nil {
			return
		}
	}
	return value * factor
}

var seen int

func switchOn() {
	var openOn openProlog = func(*string, *int, *uint32) (openEpilog, error) {
		seen++
		return func(*int, *error) { seen++ }, nil
	}
	var readOn readProlog = func(**connection, *[]byte) (readEpilog, error) {
		seen++
		return func(*int, *error) { seen++ }, nil
	}
	var scaleOn scaleProlog = func(_, _ *int) (scaleEpilog, error) {
		seen++
		return func(*int) { seen++ }, nil
	}
	atomic.StorePointer(&openHook, unsafe.Pointer(&openOn))
	atomic.StorePointer(&readHook, unsafe.Pointer(&readOn))
	atomic.StorePointer(&scaleHook, unsafe.Pointer(&scaleOn))
}
