package sandboxhook

import "testing"

var benchSite = Site{Magic: siteMagic, Rule: openRule, Kind: SiteFunction, Record: 7, Options: OptionExit,
	Names: "name,flag,mode;descriptor,err"}

//go:noinline
func benchOpen(name string, flag int, mode uint32) (descriptor int, err error) {
	if Flags[openRule] != 0 {
		var sandboxF Frame
		a, b, c := name, flag, mode
		Enter(&benchSite, &sandboxF, &a, &b, &c)
		defer Exit(&sandboxF, &descriptor, &err)
	}
	return flag + len(name), nil
}

// BenchmarkOn is for looking into; bench/hooks has the figures.
func BenchmarkOn(b *testing.B) {
	for name, scrub := range map[string]uint32{"plain": 0, "scrubbed": 15} {
		b.Run(name, func(b *testing.B) {
			s := fresh(b)
			s.record(openRule).scrub = scrub
			s.publish()
			s.flag(openRule, 1)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				if i&255 == 0 {
					store(&ring.consumed, load(&ring.reserved))
				}
				benchOpen("/var/lib/app/data.db", i|16, 0o644)
			}
		})
	}
}
