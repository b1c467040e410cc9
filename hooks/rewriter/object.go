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
	blockSymbols, blockHashed64, blockReferences   = 3, 4, 7
	blockRelocIndex, blockAuxIndex, blockDataIndex = 11, 12, 13
	blockRelocs, blockAux, blockData, blockNames   = 14, 15, 16, 17
	blockRefFlags, blockEnd, blocks                = 8, 18, 19

	headerSize = len(objectMagic) + fingerprintSize + 4 + 4*blocks
	ownPackage = 1<<31 - 1 - 4 // goobj.PkgIdxSelf: the reference is to one of the symbols in blockSymbols

	auxFuncInfo = 1 // goobj.AuxFuncInfo
)

// Record sizes; 0: of no fixed size, or of no interest here.
var recordSizes = [blocks]int{blockSymbols: 21, blockHashed64: 21, 5: 21, 6: 21, blockReferences: 21, blockRefFlags: 10,
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
		length, offset := binary.LittleEndian.Uint32(symbol), binary.LittleEndian.Uint32(symbol[4:])
		if uint64(length)+uint64(offset) > uint64(len(o.data)) {
			return nil, fmt.Errorf("its object file has a symbol without a name")
		}
		if abi := binary.LittleEndian.Uint16(symbol[8:]); length > 0 && abi != 0xFFFF {
			names[i] = fmt.Sprintf("%s %d", o.data[offset:offset+length], abi)
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

// renumberInlining: the data of a function's description (goobj.FuncInfo) name the functions inlined into it.
func (o *objectFile) renumberInlining(numbers []uint32) error {
	const files, inlined = 16, 24 // where the files' number stands; size of a node (goobj.InlTreeNode)
	done := map[int]bool{}
	for i := range o.records(blockAux) {
		aux := o.record(blockAux, i)
		if aux[0] != auxFuncInfo {
			continue
		}
		if binary.LittleEndian.Uint32(aux[1:]) != ownPackage {
			return fmt.Errorf("its object file describes a function elsewhere")
		}
		symbol := int(binary.LittleEndian.Uint32(aux[5:]))
		if symbol >= len(numbers) {
			return fmt.Errorf("its object file describes a function nowhere")
		}
		if done[symbol] {
			continue
		}
		done[symbol] = true
		begin, end := o.start[blockData]+o.number(blockDataIndex, symbol), o.start[blockData]+o.number(blockDataIndex, symbol+1)
		if begin > end || end > o.start[blockData+1] {
			return fmt.Errorf("its object file describes a function nowhere")
		}
		data := o.data[begin:end]
		if len(data) < files+4 {
			return fmt.Errorf("its object file describes a function in another way")
		}
		at := files + 4 + 4*int(binary.LittleEndian.Uint32(data[files:]))
		if at+4 > len(data) || len(data)-at-4 != inlined*int(binary.LittleEndian.Uint32(data[at:])) {
			return fmt.Errorf("its object file describes a function in another way")
		}
		for at += 4; at < len(data); at += inlined {
			if err := renumberReference(data[at+12:], numbers); err != nil {
				return err
			}
		}
	}
	return nil
}
