package greet

import (
	"strings"
	"testing"
)

func TestGreetingNamesWhoIsGreeted(t *testing.T) {
	if got := Greeting("Ada"); !strings.Contains(got, "Ada") || strings.Contains(got, "NAME") {
		t.Errorf("Greeting(%q) = %q", "Ada", got)
	}
}
