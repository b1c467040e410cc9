package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"slices"
	"strings"
)

// Theory of operation: an ext element tells of a function, or of a type and its methods (relocFuncExt, relocTypeExt in
// cmd/compile/internal/noder/linker.go):
//
//	function: pragma, symbol, linkname where there is no symbol, true, ABI, a note for each parameter, inlining
//	type:     pragma, symbol of T, symbol of *T, its methods as functions
//	inlining: false, or true, cost, whether results can be delayed
//
// How many parameters there are it does not tell: that comes from the declarations, read by go/types. What was read
// wrongly shows: each symbol has to be the function's own, each note a text, and the element's end has to be met.

// Kinds of objects (internal/pkgbits.CodeObj).
const kindType, kindFunction, kindVariable = "2", "3", "4"

// functionShape is what one has to know of a function to read what is told of it.
type functionShape struct {
	Symbol     string // the linker's name
	Parameters int    // with the receiver
}

// objectShape is of a function, or of a type with methods.
type objectShape struct {
	Type      bool
	Functions []functionShape
}

// toldFunction is what importers are told of a function.
type toldFunction struct {
	symbol   int64
	abi      uint64
	facts    []string // all but the symbol's number and the inlining
	inlining int      // where among the element's values that begins
	inlined  bool
}

// shapes are those of a package's own objects, by name; nothing of generic ones, whose elements have another form.
func (a *goArchive) shapes(path string) (found map[string]objectShape, err error) {
	defer func() {
		if failure := recover(); failure != nil { // go/importer's answer to what it cannot decode
			err = fmt.Errorf("its export data cannot be read: %v", failure)
		}
	}()
	gc := importer.ForCompiler(token.NewFileSet(), "gc", func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader((&goArchive{export: a.export}).bytes())), nil
	})
	p, err := gc.Import(path)
	if err != nil {
		return nil, fmt.Errorf("its export data cannot be read: %w", err)
	}
	found = map[string]objectShape{}
	for _, name := range p.Scope().Names() {
		switch object := p.Scope().Lookup(name).(type) {
		case *types.Func:
			signature := object.Signature()
			if signature.TypeParams().Len() == 0 {
				symbol := symbolPrefix(path) + "." + name
				found[name] = objectShape{Functions: []functionShape{{symbol, signature.Params().Len()}}}
			}
		case *types.TypeName:
			if named, ok := object.Type().(*types.Named); ok && !object.IsAlias() && named.TypeParams().Len() == 0 {
				found[name] = typeShape(named, path)
			}
		}
	}
	return found, nil
}

func typeShape(named *types.Named, path string) objectShape {
	shape := objectShape{Type: true}
	for i := range named.NumMethods() {
		method := named.Method(i)
		receiver := named.Obj().Name()
		if _, ok := method.Signature().Recv().Type().(*types.Pointer); ok {
			receiver = "(*" + receiver + ")"
		}
		symbol := symbolPrefix(path) + "." + receiver + "." + method.Name()
		shape.Functions = append(shape.Functions, functionShape{symbol, method.Signature().Params().Len() + 1})
	}
	return shape
}

// extReader reads the values of an ext element one after another.
type extReader struct {
	e              *exportData
	references     []reference
	values         []uint64
	at             int
	linknamesTwice bool // Go 1.27: behind a linkname, whether it is for the standard library alone
	failed         bool
}

func (r *extReader) next() uint64 {
	if r.at >= len(r.values) {
		r.failed = true
		return 0
	}
	r.at++
	return r.values[r.at-1]
}

func (r *extReader) text() string {
	text, err := r.e.text(r.references, r.next())
	r.failed = r.failed || err != nil
	return text
}

func (r *extReader) yes() bool {
	value := r.next()
	r.failed = r.failed || value > 1
	return value == 1
}

func (r *extReader) function(shape functionShape) toldFunction {
	told := toldFunction{facts: []string{fmt.Sprint("pragma ", r.next())}}
	if told.symbol = unzigzag(r.next()); told.symbol < 0 {
		told.facts = append(told.facts, "linkname "+r.text())
		if r.linknamesTwice {
			told.facts = append(told.facts, fmt.Sprint(r.yes()))
		}
	}
	r.failed = !r.yes() || r.failed // a function without code
	told.abi = r.next()
	told.facts = append(told.facts, fmt.Sprint("abi ", told.abi))
	for range shape.Parameters {
		told.facts = append(told.facts, "note "+r.text())
	}
	told.inlining = r.at
	if told.inlined = r.yes(); told.inlined {
		r.next()
		r.yes()
	}
	return told
}

// functions reads what is told of an object. `types`: the numbers of the symbols of a type.
func (e *exportData) functions(index uint64, shape objectShape) (functions []toldFunction, types []int64, err error) {
	references, values, err := e.element(sectionExt, index)
	if err != nil {
		return nil, nil, err
	}
	for _, twice := range []bool{false, true} {
		r := &extReader{e: e, references: references, values: values, linknamesTwice: twice}
		functions, types = nil, nil
		if shape.Type {
			r.next()
			types = []int64{unzigzag(r.next()), unzigzag(r.next())}
		}
		for _, f := range shape.Functions {
			functions = append(functions, r.function(f))
		}
		if !r.failed && r.at == len(values) {
			return functions, types, nil
		}
	}
	return nil, nil, fmt.Errorf("its export data tell of functions in another way")
}

// notInlined are objects of a package and, of each, which of its functions importers must not inline.
type notInlined struct {
	Package string
	Symbols []string // the linker's names of these functions
	Objects map[string]notInlinedObject
}

type notInlinedObject struct {
	Shape     objectShape
	Functions []int
}

// forbidInlining changes what is told of those functions; it answers whether anything is told of them at all.
func (e *exportData) forbidInlining(objects map[string]uint64, all []notInlined) (bool, error) {
	changed := false
	for _, list := range all {
		for name, object := range list.Objects {
			kind := kindFunction
			if object.Shape.Type {
				kind = kindType
			}
			index, ok := objects[objectKey(list.Package, name, kind)]
			if !ok {
				continue
			}
			told, _, err := e.functions(index, object.Shape)
			if err != nil {
				return false, err
			}
			references, values, err := e.element(sectionExt, index)
			if err != nil {
				return false, err
			}
			for _, at := range slices.Backward(slices.Sorted(slices.Values(object.Functions))) {
				if from := told[at].inlining; told[at].inlined {
					values = slices.Replace(values, from, from+3, 0)
					changed = true
				}
			}
			e.elements[sectionExt][index] = encodeElement(references, values)
		}
	}
	return changed, nil
}

func encodeElement(references []reference, values []uint64) []byte {
	data := binary.AppendUvarint(nil, uint64(len(references)))
	for _, r := range references {
		data = binary.AppendUvarint(binary.AppendUvarint(data, r.section), r.index)
	}
	for _, value := range values {
		data = binary.AppendUvarint(data, value)
	}
	return data
}

// in is the member that the export data were read from, with the elements as they are now.
func (e *exportData) in(member []byte) ([]byte, error) {
	data, err := rawExportData(member)
	if err != nil {
		return nil, err
	}
	out, content, total := slices.Clone(data[:8]), []byte{}, 0
	var ends []byte
	for _, elements := range e.elements {
		total += len(elements)
		out = binary.LittleEndian.AppendUint32(out, uint32(total))
		for _, element := range elements {
			content = append(content, element...)
			ends = binary.LittleEndian.AppendUint32(ends, uint32(len(content)))
		}
	}
	out = slices.Concat(out, ends, content, data[len(data)-fingerprintSize:])
	begin := bytes.Index(member, []byte("\n$$B\nu")) + len("\n$$B\nu")
	return slices.Concat(member[:begin], out, member[begin+len(data):]), nil
}

func objectKey(path, name, kind string) string { return path + "\n" + name + "\n" + kind }

func cutObjectKey(key string) (path, name, kind string) {
	path, rest, _ := strings.Cut(key, "\n")
	name, kind, _ = strings.Cut(rest, "\n")
	return path, name, kind
}
