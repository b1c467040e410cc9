// Package count counts.
package count

// Counter starts at zero.
type Counter struct{ n int }

// Add counts one more.
func (c *Counter) Add() { c.n++ }

// Value is how many were counted.
func (c *Counter) Value() int { return c.n }
