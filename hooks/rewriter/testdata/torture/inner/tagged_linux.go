//go:build linux && !neverset

package inner

import w "strings"

func tagged(where func(string)) { where(w.ToUpper("tagged")) }
