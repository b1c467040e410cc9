package main

import (
	"go/ast"
	"slices"
	"strings"
)

// nearest answers up to three of the names that are closest to what was written, the closest first.
func nearest(wanted string, names []string) []string {
	wanted = strings.ReplaceAll(strings.ReplaceAll(wanted, "(*", "("), "*", "")
	type candidate struct {
		name     string
		distance int
	}
	var close []candidate
	limit := max(3, len(wanted)/4)
	exported := isExported(wanted)
	for _, name := range names {
		plain := strings.ReplaceAll(name, "(*", "(")
		if exported && !isExported(plain) || len(plain)-len(wanted) > limit || len(wanted)-len(plain) > limit {
			continue
		}
		if d := editDistance(wanted, plain); d <= limit {
			close = append(close, candidate{name, d})
		}
	}
	slices.SortFunc(close, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var best []string
	for _, c := range close {
		if !slices.Contains(best, c.name) && len(best) < 3 {
			best = append(best, c.name)
		}
	}
	return best
}

// isExported looks at the last of a name's parts, and takes a package for exported.
func isExported(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	return dot < strings.LastIndexByte(name, '/') || dot+1 == len(name) || ast.IsExported(name[dot+1:])
}

// editDistance counts insertions, deletions and substitutions; case counts for nothing but ties are rare enough.
func editDistance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substituted := diagonal
			if a[i-1] != b[j-1] {
				substituted++
			}
			diagonal = row[j]
			row[j] = min(substituted, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func didYouMean(wanted string, names []string) string {
	near := nearest(wanted, names)
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, ", ") + "?"
}
