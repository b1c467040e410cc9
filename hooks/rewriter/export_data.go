package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Theory of operation: an importer sees of a package what its export data say, and refers to the package's symbols by
// the numbers that these give. What they say of a declaration stands in elements (internal/pkgbits); an object's element
// of section ext has what only the compiler asks for: the symbols' numbers, the notes of escape analysis, and whether
// the function can be inlined and at what cost (cmd/compile/internal/noder/linker.go, relocFuncExt). An element is a table
// of references to others and a sequence of variable-length numbers, among them positions in that table.
//
// Hooks change no declaration. They change where elements stand, the positions behind an inserted line directive, and
// the symbols' numbers; and, where a hooked function could be inlined or lets go of a parameter, its ext element
// (export_functions.go).

// Sections of export data (internal/pkgbits/reloc.go).
const (
	sectionString, sectionMeta, sectionPackage, sectionName, sectionExt = 0, 1, 3, 4, 7
	sections                                                            = 10
)

type exportData struct {
	elements [sections][][]byte
}

// parseExportData reads what the compiler wrote into an archive. Anything unexpected is an error: another version.
func parseExportData(member []byte) (*exportData, error) {
	data, err := rawExportData(member)
	if err != nil {
		return nil, err
	}
	const header = 4 + 4 + 4*sections
	if len(data) < header+fingerprintSize || binary.LittleEndian.Uint32(data) == 0 || binary.LittleEndian.Uint32(data[4:]) != 0 {
		return nil, fmt.Errorf("its export data are of another version")
	}
	e := &exportData{}
	total := int(binary.LittleEndian.Uint32(data[header-4:]))
	if total > (len(data)-header)/4 {
		return nil, fmt.Errorf("its export data are cut off")
	}
	content := data[header+4*total : len(data)-fingerprintSize]
	next, begin := 0, 0
	for section := range sections {
		last := int(binary.LittleEndian.Uint32(data[8+4*section:]))
		if last < next || last > total {
			return nil, fmt.Errorf("the sections of its export data are out of order")
		}
		for ; next < last; next++ {
			end := int(binary.LittleEndian.Uint32(data[header+4*next:]))
			if end < begin || end > len(content) {
				return nil, fmt.Errorf("the elements of its export data are out of order")
			}
			e.elements[section] = append(e.elements[section], content[begin:end])
			begin = end
		}
	}
	if begin != len(content) {
		return nil, fmt.Errorf("its export data have more than their elements")
	}
	return e, nil
}

// rawExportData is from the format's version to the fingerprint.
func rawExportData(member []byte) ([]byte, error) {
	_, data, found := bytes.Cut(member, []byte("\n$$B\nu"))
	end := bytes.LastIndex(data, []byte("\n$$\n"))
	if !found || end < fingerprintSize {
		return nil, fmt.Errorf("it has no export data in the unified format")
	}
	return data[:end], nil
}

// fingerprint is what importers note of the export data they read, and the linker holds against those it reads.
func fingerprint(member []byte) ([]byte, error) {
	data, err := rawExportData(member)
	if err != nil {
		return nil, err
	}
	return data[len(data)-fingerprintSize:], nil
}

type reference struct {
	section, index uint64
}

// element takes apart one element; all of its numbers, of whatever kind, are written alike.
func (e *exportData) element(section uint64, index uint64) (references []reference, values []uint64, err error) {
	if section >= sections || index >= uint64(len(e.elements[section])) {
		return nil, nil, fmt.Errorf("its export data refer to what is not there")
	}
	data := e.elements[section][index]
	var all []uint64
	for len(data) > 0 {
		value, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, nil, fmt.Errorf("its export data have a number that is none")
		}
		all = append(all, value)
		data = data[n:]
	}
	if len(all) == 0 || all[0] > uint64(len(all)-1)/2 {
		return nil, nil, fmt.Errorf("its export data have an element that is none")
	}
	count := int(all[0])
	for i := range count {
		references = append(references, reference{all[1+2*i], all[2+2*i]})
	}
	return references, all[1+2*count:], nil
}

func (e *exportData) text(references []reference, at uint64) (string, error) {
	if at >= uint64(len(references)) || references[at].section != sectionString ||
		references[at].index >= uint64(len(e.elements[sectionString])) {
		return "", fmt.Errorf("its export data have a name that is none")
	}
	return string(e.elements[sectionString][references[at].index]), nil
}

// objects are the indices of the objects by package, name and kind.
func (e *exportData) objects() (map[string]uint64, error) {
	found := map[string]uint64{}
	for i := range e.elements[sectionName] {
		references, values, err := e.element(sectionName, uint64(i))
		if err != nil || len(values) != 3 || values[0] >= uint64(len(references)) ||
			references[values[0]].section != sectionPackage {
			return nil, fmt.Errorf("its export data have an object without a name")
		}
		name, err := e.text(references, values[1])
		if err != nil {
			return nil, err
		}
		of, path, err := e.element(sectionPackage, references[values[0]].index)
		if err != nil || len(path) == 0 {
			return nil, fmt.Errorf("its export data have a package without a path")
		}
		packagePath, err := e.text(of, path[0])
		if err != nil {
			return nil, err
		}
		key := objectKey(packagePath, name, fmt.Sprint(values[2]))
		if _, again := found[key]; again {
			return nil, fmt.Errorf("its export data have two objects %s.%s", packagePath, name)
		}
		found[key] = uint64(i)
	}
	return found, nil
}

// initialized says whether importers have to have the package initialized.
func (e *exportData) initialized() (bool, error) {
	const privateRoot = 1 // internal/pkgbits.PrivateRootIdx
	_, values, err := e.element(sectionMeta, privateRoot)
	if err != nil || len(values) == 0 {
		return false, fmt.Errorf("its export data do not say whether it is initialized")
	}
	return values[0] != 0, nil
}

// sameExt compares elements whose parts are not known: some of the numbers are symbols'.
func sameExt(clean, hooked *exportData, at, other uint64, sameSymbol func(clean, hooked int64) bool) bool {
	cleanRefs, cleanValues, err := clean.element(sectionExt, at)
	hookedRefs, hookedValues, err2 := hooked.element(sectionExt, other)
	if err != nil || err2 != nil || len(cleanRefs) != len(hookedRefs) || len(cleanValues) != len(hookedValues) {
		return false
	}
	for i := range cleanRefs {
		if cleanRefs[i].section != hookedRefs[i].section {
			return false
		}
		if cleanRefs[i].section != sectionString {
			continue // a generic function's body: nothing of it is hooked
		}
		a, err := clean.text(cleanRefs, uint64(i))
		b, err2 := hooked.text(hookedRefs, uint64(i))
		if err != nil || err2 != nil || a != b {
			return false
		}
	}
	return slices.EqualFunc(cleanValues, hookedValues, func(a, b uint64) bool {
		return a == b || sameSymbol(unzigzag(a), unzigzag(b))
	})
}

// unzigzag: signed numbers are written as in encoding/binary.
func unzigzag(value uint64) int64 {
	return int64(value>>1) ^ -int64(value&1)
}
