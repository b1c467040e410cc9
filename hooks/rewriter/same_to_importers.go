package main

import (
	"fmt"
	"maps"
	"slices"
)

// Theory of operation: importers that were compiled against the clean package rely on what its export data say of the
// package's own objects. Held against what the compiler says of the hooked package that may be
//   - the same: nothing of it matters to importers;
//   - the same but for inlining: importers without a copy of the function call it, and a call is a call. What had an
//     inlined copy before and can have none now is listed, for importers with copies have to be compiled again;
//   - gone: it was told of only because a function that could be inlined speaks of it. Whoever reaches it has a copy of
//     that function. Its symbol stays where it was;
//   - anything else, and importers have to be compiled again, all of them.
// What is repeated of other packages' objects counts there.

// importersView is a package as its importers see it, without hooks and with them.
type importersView struct {
	path                        string
	clean, hooked               *exportData
	shapes                      map[string]objectShape
	cleanSymbols, hookedSymbols []string
	numbers                     []uint32        // those that the hooked symbols are going to have
	places                      []int           // of each clean number, the hooked symbol that is going to have it
	functions                   map[string]bool // with hooks
	copying                     map[string]bool // with copies of hooked functions, when clean
}

// sameToImporters answers what must not be inlined any more. An error says what else differs.
func (c *importersView) sameToImporters() (notInlined, error) {
	list := notInlined{Package: c.path, Objects: map[string]notInlinedObject{}}
	cleanObjects, err := c.clean.objects()
	if err != nil {
		return list, err
	}
	hookedObjects, err := c.hooked.objects()
	if err != nil {
		return list, err
	}
	cleanInit, err := c.clean.initialized()
	hookedInit, err2 := c.hooked.initialized()
	if err != nil || err2 != nil || cleanInit != hookedInit {
		return list, fmt.Errorf("it is initialized in another way")
	}
	for _, key := range slices.Sorted(maps.Keys(cleanObjects)) {
		path, name, kind := cutObjectKey(key)
		if path != c.path {
			continue
		}
		shape, shaped := c.shapes[name]
		shaped = shaped && (kind == kindFunction || kind == kindType)
		other, is := hookedObjects[key]
		switch at := cleanObjects[key]; {
		case !is && !c.stays(at, kind, shape, shaped):
			return list, fmt.Errorf("it has no %q", key)
		case is && !shaped && !sameExt(c.clean, c.hooked, at, other, c.sameSymbol):
			return list, fmt.Errorf("importers are told something else of %q", key)
		case is && shaped:
			not, err := c.sameFunctions(at, other, shape)
			if err != nil {
				return list, fmt.Errorf("importers are told something else of %q: %w", key, err)
			}
			list.add(name, shape, not)
		}
	}
	return list, nil
}

func (l *notInlined) add(object string, shape objectShape, functions []int) {
	if len(functions) > 0 {
		l.Objects[object] = notInlinedObject{shape, functions}
	}
	for _, function := range functions {
		l.Symbols = append(l.Symbols, shape.Functions[function].Symbol)
	}
}

// sameSymbol holds a number in the clean object against one in the hooked; -1: the linker goes by name.
func (c *importersView) sameSymbol(clean, hooked int64) bool {
	if clean < 0 || hooked < 0 {
		return clean == hooked
	}
	return clean < int64(len(c.cleanSymbols)) && hooked < int64(len(c.numbers)) && int64(c.numbers[hooked]) == clean &&
		c.hookedSymbols[hooked] != "" && c.hookedSymbols[hooked] == c.cleanSymbols[clean]
}

// keeps says whether a number is going to stand for what it stood for.
func (c *importersView) keeps(clean int64) bool {
	return clean < 0 || clean < int64(len(c.places)) && c.sameSymbol(clean, int64(c.places[clean]))
}

// stays says whether nothing but mention is lost of an object that is told of no more: its symbols keep their numbers, and
// it has no hooks.
func (c *importersView) stays(index uint64, kind string, shape objectShape, shaped bool) bool {
	const alias, constant = "0", "1"
	if kind == alias || kind == constant {
		return true // without symbols
	}
	if kind == kindVariable {
		_, values, err := c.clean.element(sectionExt, index)
		return err == nil && len(values) > 0 && c.keeps(unzigzag(values[0]))
	}
	functions, types, err := c.clean.functions(index, shape)
	hooked := func(function functionShape) bool { return c.functions[function.Symbol] }
	if err != nil || !shaped || slices.ContainsFunc(shape.Functions, hooked) {
		return false
	}
	symbols := types
	for _, told := range functions {
		symbols = append(symbols, told.symbol)
	}
	return !slices.ContainsFunc(symbols, func(symbol int64) bool { return !c.keeps(symbol) })
}

// sameFunctions answers which functions of an object must not be inlined.
func (c *importersView) sameFunctions(index, other uint64, shape objectShape) ([]int, error) {
	clean, cleanTypes, err := c.clean.functions(index, shape)
	if err != nil {
		return nil, err
	}
	hooked, hookedTypes, err := c.hooked.functions(other, shape)
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(cleanTypes, hookedTypes, c.sameSymbol) {
		return nil, fmt.Errorf("its type has another symbol")
	}
	var not []int
	for i, function := range shape.Functions {
		a, b := clean[i], hooked[i]
		switch {
		case a.symbol >= 0 && (a.symbol >= int64(len(c.cleanSymbols)) ||
			c.cleanSymbols[a.symbol] != fmt.Sprintf("%s %d", function.Symbol, a.abi)):
			return nil, fmt.Errorf("%s has the symbol of another", function.Symbol)
		case !slices.Equal(a.facts, b.facts), !c.sameSymbol(a.symbol, b.symbol):
			return nil, fmt.Errorf("%s is to be called in another way", function.Symbol)
		case !a.inlined, !c.functions[function.Symbol] && b.inlined:
		case !c.functions[function.Symbol] && !c.copying[function.Symbol]:
			return nil, fmt.Errorf("%s is not inlined any more", function.Symbol)
		default:
			not = append(not, i)
		}
	}
	return not, nil
}
