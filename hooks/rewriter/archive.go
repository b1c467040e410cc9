package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Members of a compiled package's archive (cmd/internal/archive): what importers read, and what the linker reads. Objects
// of assembly files follow.
const (
	exportMember = "__.PKGDEF"
	objectMember = "_go_.o"
)

const archiveMagic = "!<arch>\n"

// goArchive is a compiled package: bytes of a file, cut into members.
type goArchive struct {
	export, object []byte
	rest           []byte // as it is in the file
}

func readGoArchive(file string) (*goArchive, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	archive, err := parseArchive(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return archive, nil
}

func parseArchive(data []byte) (*goArchive, error) {
	a := &goArchive{}
	at := len(archiveMagic)
	if !bytes.HasPrefix(data, []byte(archiveMagic)) {
		return nil, fmt.Errorf("it is no archive")
	}
	for _, member := range []struct {
		name string
		data *[]byte
	}{{exportMember, &a.export}, {objectMember, &a.object}} {
		const header = 60
		if len(data) < at+header || strings.TrimRight(string(data[at:at+16]), " ") != member.name {
			return nil, fmt.Errorf("member %s is not where it should be", member.name)
		}
		size, err := strconv.Atoi(strings.TrimSpace(string(data[at+48 : at+58])))
		at += header
		if err != nil || size < 0 || size > len(data)-at {
			return nil, fmt.Errorf("member %s is cut off", member.name)
		}
		*member.data = data[at : at+size]
		at = min(at+size+size%2, len(data))
	}
	a.rest = data[at:]
	return a, nil
}

func (a *goArchive) bytes() []byte {
	out := []byte(archiveMagic)
	out = appendMember(out, exportMember, a.export)
	out = appendMember(out, objectMember, a.object)
	return append(out, a.rest...)
}

// appendMember: neither time nor owner, as go build writes them.
func appendMember(archive []byte, name string, data []byte) []byte {
	archive = fmt.Appendf(archive, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", name[:min(16, len(name))], 0, 0, 0, 0o644, len(data))
	archive = append(archive, data...)
	if len(data)%2 != 0 {
		archive = append(archive, 0)
	}
	return archive
}

// buildID is what go build wrote into the archive: the key it was made for, and a hash of its content.
func (a *goArchive) buildID() string {
	_, rest, _ := bytes.Cut(a.export, []byte("\nbuild id \""))
	id, _, _ := bytes.Cut(rest, []byte("\"\n"))
	return string(id)
}
