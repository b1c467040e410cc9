package main

import (
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

var assemblyName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`·([\p{L}_][\p{L}\p{N}_]*)`) })

// scanAssembly lists the functions that assembly files name, before the assembler has said it itself (readSymabis).
func scanAssembly(directory string, files []string) map[string]bool {
	found := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(directory, file))
		if err != nil {
			continue
		}
		for _, match := range assemblyName().FindAllSubmatch(data, -1) {
			found[string(match[1])] = true
		}
	}
	return found
}
