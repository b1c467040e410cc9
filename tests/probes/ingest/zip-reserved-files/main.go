// Probe ingest/zip-reserved-files: .git with hooks and fsmonitor, go.work, vendor, .netrc, go/env, output name
package main

import (
	"archive/zip"
	"os"
)

func main() {
	out := "out.zip"
	if len(os.Args) > 1 {
		out = os.Args[1]
	}
	f, err := os.Create(out)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	add(w, "main.go", hello)
	add(w, "go.mod", "module x\n\ngo 1.19\n")
	add(w, ".git/config", "[core]\n\tfsmonitor = \"touch /tmp/git-probe; false\"\n\trepositoryformatversion = 0\n")
	add(w, ".git/HEAD", "ref: refs/heads/main\n")
	add(w, ".git/hooks/pre-commit", "#!/bin/sh\ntouch /tmp/git-hook-probe\n")
	add(w, ".hg/hgrc", "[hooks]\npre-status = touch /tmp/hg-probe\n")
	add(w, "go.work", "go 1.19\n\nuse ../..\n")
	add(w, ".config/go/env", "GOFLAGS=-toolexec=/tmp/x\n")
	add(w, ".netrc", "machine modules.example login a password b\n")
	add(w, "main", "pre-placed output\n")
	add(w, "a.out", "pre-placed output\n")
	w.Close()
}

func add(w *zip.Writer, name, body string) {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	e, err := w.CreateHeader(h)
	if err != nil {
		panic(err)
	}
	e.Write([]byte(body))
}

const hello = "package main\n\nfunc main() { println(1) }\n"
