package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// The Go versions whose compiler, linker and runtime this was written against.
const oldestMinor, newestMinor = 25, 27

// goVersion is the version of the toolchain in use, refused if it is not one we know.
func goVersion() (string, error) {
	output, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("cannot run go env GOVERSION: %w", err)
	}
	version := strings.TrimSpace(string(output))
	return version, checkVersion(version)
}

func checkVersion(version string) error {
	if minor := minorVersion(version); minor >= oldestMinor && minor <= newestMinor {
		return nil
	}
	return fmt.Errorf("cannot hook programs built by %s: hooks are made for Go 1.%d to 1.%d; use one of these toolchains",
		version, oldestMinor, newestMinor)
}

// minorVersion is 26 for go1.26.8; 0 for what is no release.
func minorVersion(version string) int {
	rest, ok := strings.CutPrefix(version, "go1.")
	if !ok {
		return 0
	}
	minor, err := strconv.Atoi(rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))])
	if err != nil {
		return 0
	}
	return minor
}
