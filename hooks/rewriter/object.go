package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Theory of operation: an object file is a sequence of blocks of records of fixed size (cmd/internal/goobj). The symbols
// that other packages refer to by number come first among the symbols; each symbol's relocations, auxiliary symbols and
// data lie, in the same order, in blocks of their own. Giving symbols other numbers is moving records about within the
// blocks and changing each reference to one; no block changes its size.

const (
	objectMagic     = "\x00go120ld"
	fingerprintSize = 8

	// Blocks, by their position in the header.
	blockPackages, blockSymbols, blockHashed64     = 1, 3, 4
	blockNamed, blockReferences                    = 6, 7 // defined here and not, both known by name alone
	blockRelocIndex, blockAuxIndex, blockDataIndex = 11, 12, 13
	blockRelocs, blockAux, blockData, blockNames   = 14, 15, 16, 17
	blockRefFlags, blockEnd, blocks                = 8, 18, 19

	headerSize = len(objectMagic) + fingerprintSize + 4 + 4*blocks
	ownPackage = 1<<31 - 1 - 4 // goobj.PkgIdxSelf: the reference is to one of the symbols in blockSymbols
	noPackage  = 1<<31 - 1     // goobj.PkgIdxNone: to one of those in blockNamed and blockReferences

	auxFuncInfo = 1 // goobj.AuxFuncInfo
)

// Record sizes; 0: of no fixed size, or of no interest here.
var recordSizes = [blocks]int{blockPackages: 8, blockSymbols: 21, blockHashed64: 21, 5: 21, blockNamed: 21,
	blockReferences: 21, blockRefFlags: 10,
	blockRelocIndex: 4, blockAuxIndex: 4, blockDataIndex: 4, blockRelocs: 23, blockAux: 9, blockNames: 16}

// objectFile is the part of an object member that the linker reads; its bytes are changed in place.
type objectFile struct {
	data  []byte
	start [blocks]int
}

func parseObject(member []byte) (*objectFile, error) {
	_, data, found := bytes.Cut(member, []byte("\n!\n"))
	if !found || !bytes.HasPrefix(data, []byte(objectMagic)) || len(data) < headerSize {
		return nil, fmt.Errorf("its object file is of another version")
	}
	o := &objectFile{data: data}
	for block := range blocks {
		o.start[block] = int(binary.LittleEndian.Uint32(data[headerSize-4*blocks+4*block:]))
		if o.start[block] > len(data) || block > 0 && o.start[block] < o.start[block-1] {
			return nil, fmt.Errorf("the blocks of its object file are out of order")
		}
	}
	for block, size := range recordSizes {
		if size > 0 && (o.start[block+1]-o.start[block])%size != 0 {
			return nil, fmt.Errorf("block %d of its object file has records of another size", block)
		}
	}
	defined := (o.start[blockReferences] - o.start[blockSymbols]) / recordSizes[blockSymbols]
	for _, block := range []int{blockRelocIndex, blockAuxIndex, blockDataIndex} {
		if o.records(block) != defined+1 {
			return nil, fmt.Errorf("block %d of its object file does not go with its symbols", block)
		}
	}
	if o.start[blockEnd] != len(data) && o.start[blockEnd]+1 != len(data) {
		return nil, fmt.Errorf("its object file has more than its blocks")
	}
	return o, nil
}

func (o *objectFile) records(block int) int {
	return (o.start[block+1] - o.start[block]) / recordSizes[block]
}

func (o *objectFile) record(block, at int) []byte {
	begin := o.start[block] + at*recordSizes[block]
	return o.data[begin : begin+recordSizes[block]]
}

func (o *objectFile) fingerprint() []byte {
	return o.data[len(objectMagic) : len(objectMagic)+fingerprintSize]
}

// symbols are what tells those apart that can be referred to from outside: name and calling convention. "" for others.
func (o *objectFile) symbols() ([]string, error) {
	names := make([]string, o.records(blockSymbols))
	for i := range names {
		symbol := o.record(blockSymbols, i)
		name, err := o.text(symbol)
		if err != nil {
			return nil, err
		}
		if abi := binary.LittleEndian.Uint16(symbol[8:]); name != "" && abi != 0xFFFF {
			names[i] = fmt.Sprintf("%s %d", name, abi)
		}
	}
	return names, nil
}

// likeNumbers: for each symbol the number it has to get, so that all those of the other file have theirs.
func likeNumbers(own, other []string) ([]uint32, error) {
	wanted := map[string]int{}
	for i, name := range other {
		if _, twice := wanted[name]; twice && name != "" {
			return nil, fmt.Errorf("two symbols are called %s", name)
		}
		wanted[name] = i
	}
	const none = ^uint32(0)
	numbers := slices.Repeat([]uint32{none}, len(own))
	taken := make([]bool, len(own))
	for i, name := range own {
		if at, ok := wanted[name]; ok && name != "" {
			if at >= len(own) || taken[at] {
				return nil, fmt.Errorf("there is no number for symbol %s", name)
			}
			numbers[i], taken[at] = uint32(at), true
		}
	}
	free := 0
	for i := range numbers {
		if numbers[i] != none {
			continue
		}
		for taken[free] {
			free++
		}
		numbers[i], taken[free] = uint32(free), true
	}
	return numbers, nil
}

// renumber gives symbol i the number numbers[i], which is a permutation.
func (o *objectFile) renumber(numbers []uint32) error {
	if err := o.renumberInlining(numbers); err != nil {
		return err
	}
	for _, place := range []struct{ block, offset int }{{blockRelocs, 15}, {blockAux, 1}, {blockRefFlags, 0}, {blockNames, 0}} {
		for i := range o.records(place.block) {
			if err := renumberReference(o.record(place.block, i)[place.offset:], numbers); err != nil {
				return err
			}
		}
	}
	from := make([]int, len(numbers)) // the inverse
	for i, number := range numbers {
		from[number] = i
	}
	symbols := slices.Clone(o.data[o.start[blockSymbols]:o.start[blockHashed64]])
	for number, i := range from {
		copy(o.record(blockSymbols, number), symbols[i*recordSizes[blockSymbols]:])
	}
	for _, part := range []struct{ index, block, size int }{
		{blockRelocIndex, blockRelocs, recordSizes[blockRelocs]}, {blockAuxIndex, blockAux, recordSizes[blockAux]},
		{blockDataIndex, blockData, 1}} {
		if err := o.move(part.index, part.block, part.size, from); err != nil {
			return err
		}
	}
	return nil
}

func (o *objectFile) number(block, at int) int {
	return int(binary.LittleEndian.Uint32(o.record(block, at)))
}

// move reorders what belongs to the symbols in one block, and the index that says where each symbol's part begins.
func (o *objectFile) move(index, block, size int, from []int) error {
	ends := make([]int, len(from)+1)
	for i := range ends {
		ends[i] = o.number(index, i)
		if i > 0 && ends[i] < ends[i-1] || o.start[block]+ends[i]*size > o.start[block+1] {
			return fmt.Errorf("block %d of its object file is out of order", block)
		}
	}
	old := slices.Clone(o.data[o.start[block] : o.start[block]+ends[len(from)]*size])
	at := ends[0]
	for number, i := range from {
		binary.LittleEndian.PutUint32(o.record(index, number), uint32(at))
		copy(o.data[o.start[block]+at*size:], old[ends[i]*size:ends[i+1]*size])
		at += ends[i+1] - ends[i]
	}
	return nil
}

func renumberReference(at []byte, numbers []uint32) error {
	if binary.LittleEndian.Uint32(at) != ownPackage {
		return nil
	}
	number := binary.LittleEndian.Uint32(at[4:])
	if int(number) >= len(numbers) {
		return fmt.Errorf("its object file refers to a symbol that it does not have")
	}
	binary.LittleEndian.PutUint32(at[4:], numbers[number])
	return nil
}

// renumberInlining: functions' descriptions name the functions inlined into them.
func (o *objectFile) renumberInlining(numbers []uint32) error {
	done := map[int]bool{}
	return o.inlined(func(at inlinedCall) error {
		if done[at.place] {
			return nil // two functions may share a description
		}
		done[at.place] = true
		return renumberReference(o.data[at.place:], numbers)
	})
}

// inlinedCall is a node of a function's inlining tree (goobj.InlTreeNode).
type inlinedCall struct {
	into  int // number of the symbol that it is part of, among all symbols that are defined here
	place int // where in the file the reference to the inlined function is
}

// inlined visits every call that was inlined: they stand in the data of functions' descriptions (goobj.FuncInfo).
func (o *objectFile) inlined(visit func(inlinedCall) error) error {
	const files, node, function = 16, 24, 12 // where the files' number stands; size of a node; its reference
	for into := range o.records(blockAuxIndex) - 1 {
		begin, end := o.number(blockAuxIndex, into), o.number(blockAuxIndex, into+1)
		if begin > end || end > o.records(blockAux) {
			return fmt.Errorf("block %d of its object file is out of order", blockAux)
		}
		for i := begin; i < end; i++ {
			aux := o.record(blockAux, i)
			if aux[0] != auxFuncInfo {
				continue
			}
			at, last, err := o.ownData(aux[1:])
			if err != nil {
				return err
			}
			data := o.data[at:last]
			if len(data) < files+4 {
				return fmt.Errorf("its object file describes a function in another way")
			}
			first := files + 4 + 4*int(binary.LittleEndian.Uint32(data[files:]))
			if first+4 > len(data) || len(data)-first-4 != node*int(binary.LittleEndian.Uint32(data[first:])) {
				return fmt.Errorf("its object file describes a function in another way")
			}
			for place := at + first + 4; place < last; place += node {
				if err := visit(inlinedCall{into, place + function}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// ownData is where in the file the data of a symbol of this package are.
func (o *objectFile) ownData(reference []byte) (begin, end int, err error) {
	symbol := int(binary.LittleEndian.Uint32(reference[4:]))
	if binary.LittleEndian.Uint32(reference) != ownPackage || symbol >= o.records(blockSymbols) {
		return 0, 0, fmt.Errorf("its object file describes a function elsewhere")
	}
	begin, end = o.start[blockData]+o.number(blockDataIndex, symbol), o.start[blockData]+o.number(blockDataIndex, symbol+1)
	if begin > end || end > o.start[blockData+1] {
		return 0, 0, fmt.Errorf("its object file describes a function nowhere")
	}
	return begin, end, nil
}

// packages are the paths by which references name other packages; the first is none.
func (o *objectFile) packages() ([]string, error) {
	paths := make([]string, o.records(blockPackages))
	for i := range paths {
		path, err := o.text(o.record(blockPackages, i))
		if err != nil {
			return nil, err
		}
		paths[i] = path
	}
	return paths, nil
}

// text is what a length and an offset point to.
func (o *objectFile) text(at []byte) (string, error) {
	length, offset := binary.LittleEndian.Uint32(at), binary.LittleEndian.Uint32(at[4:])
	if uint64(length)+uint64(offset) > uint64(len(o.data)) {
		return "", fmt.Errorf("its object file has a name that is none")
	}
	return string(o.data[offset : offset+length]), nil
}
