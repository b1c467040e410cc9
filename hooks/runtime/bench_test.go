package sandboxhook

import "testing"

//go:noinline
func openBare(name string, flag int) (n int, err error) {
	return flag + len(name), nil
}

func BenchmarkEntryAndExit(b *testing.B) {
	b.Run("none", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			openBare("/etc/hosts", i)
		}
	})
	for name, on := range map[string]uint32{"off": 0, "on": 1} {
		b.Run(name, func(b *testing.B) {
			s := fresh(b)
			if on == 1 {
				s.begin()
				s.record(openRule).scrub = 0
				s.publish()
			}
			s.flag(openRule, on)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				if i&255 == 0 {
					store(&ring.consumed, load(&ring.reserved))
				}
				open("/etc/hosts", i|16)
			}
		})
	}
	b.Run("scrub", func(b *testing.B) {
		s := fresh(b)
		s.record(openRule).scrub = 15
		s.publish()
		s.flag(openRule, 1)
		b.ReportAllocs()
		b.ResetTimer()
		for i := 0; i < b.N; i++ {
			if i&255 == 0 {
				store(&ring.consumed, load(&ring.reserved))
			}
			open("/etc/hosts", i|16)
		}
	})
	b.Run("clock", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			nanotime()
		}
	})
}
