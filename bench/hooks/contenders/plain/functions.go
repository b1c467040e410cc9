package main

import "errors"

var errNoName = errors.New("no name")

//go:noinline
func open(name string, flag int, mode uint32) (descriptor int, err error) {
	if name == "" {
		return -1, errNoName
	}
	return flag + len(name), nil
}

type connection struct{ position int }

//go:noinline
func (c *connection) read(p []byte) (n int, err error) {
	c.position += len(p)
	return len(p), nil
}

//go:noinline
func scale(value, factor int) (product int) {
	return value * factor
}
