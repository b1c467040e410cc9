package sandboxhook

import (
	"errors"
	"strings"
	"testing"
	"unsafe"
)

func scrubbed(s string, kinds uint32) string {
	memory := append([]byte(nil), s...)
	memory = append(memory, make([]byte, 8)...)
	scrub(text{unsafe.Pointer(&memory[0]), len(s)}, kinds, len(s))
	return string(memory[:len(s)])
}

func stars(n int) string { return strings.Repeat("*", n) }

func TestSecretsInTextAreMasked(t *testing.T) {
	const all = scrubCards | scrubTokens | scrubMails | scrubKeys
	cases := []struct{ text, want string }{
		// Cards.
		{"4111111111111111", stars(16)},
		{"card 4111 1111 1111 1111 ok", "card " + stars(19) + " ok"},
		{"5500-0000-0000-0004", stars(19)},
		{"378282246310005", stars(15)},
		{"6011.1111.1111.1117", stars(19)},
		{"x4222222222222x", "x" + stars(13) + "x"},
		{"4111111111111112", "4111111111111112"},
		{"123456789012", "123456789012"},
		{"2026-11-21 14:07:19.123456", "2026-11-21 14:07:19.123456"},
		// Mails.
		{"mail to ann.b+c@example.co.uk now", "mail to " + stars(7) + "@" + stars(13) + " now"},
		{"ann@example.org.", stars(3) + "@" + stars(11) + "."},
		{"golang.org/x/net@v0.1.0", "golang.org/x/net@v0.1.0"},
		{"@example.org", "@example.org"},
		{"user@localhost", "user@localhost"},
		// Tokens.
		{"ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_" + stars(36)},
		{"key AKIAIOSFODNN7EXAMPLE.", "key AKIA" + stars(17)},
		{"Authorization: Bearer abc.def.ghi-123", "Authorization: " + stars(22)},
		{"bearer 0123456789", "bearer " + stars(10)},
		{"the bearer of news", "the bearer of news"},
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N", "eyJ" + stars(56)},
		{"d41d8cd98f00b204e9800998ecf8427e", stars(32)},
		{"7Qm2xVbN9/kLp4TzR8wYhG3sJ+dFc6uEaXoKi1Mv", stars(40)},
		{"4111111111111111 12/27", stars(16) + " 12/27"},
		{"0000000000000000000000", "0000000000000000000000"},
		{"dGhpcyBpcyBhIHNlY3JldCB0aGF0IGlzIGxvbmc=", stars(40)},
		{"/usr/local/lib/python3.11/dist-packages/requests", "/usr/local/lib/python3.11/dist-packages/requests"},
		{"TestTheQuickBrownFoxJumpsOverTheLazyDog2", "TestTheQuickBrownFoxJumpsOverTheLazyDog2"},
		{"github.com/DataDog/orchestrion/internal/toolexec/aspect", "github.com/DataDog/orchestrion/internal/toolexec/aspect"},
		// Names.
		{"user=ann&password=hunter2&x=1", "user=ann&password=" + stars(7) + "&x=1"},
		{`{"api_key": "abc", "n": 1}`, `{"api_key": "` + stars(3) + `", "n": 1}`},
		{"X-Api-Key: abc", "X-Api-Key: " + stars(3)},
		{"postgres://app:pw@db/x", "postgres://app:" + stars(2) + "@db/x"},
		{"http://host:80/a@b", "http://host:80/a@b"},
		{"passwords are bad", "passwords are bad"},
		{"client_secret=", "client_secret="},
		{"", ""},
	}
	for _, c := range cases {
		if got := scrubbed(c.text, all); got != c.want {
			t.Errorf("%q became %q, not %q", c.text, got, c.want)
		}
		if got := scrubbed(c.text, 0); got != c.text {
			t.Errorf("%q became %q with every kind off", c.text, got)
		}
	}
}

func TestOneKindOfSecretAtATime(t *testing.T) {
	const s = "4111111111111111 ann@example.org ghp_abcdefghijklmnopqrstuvwxyz0123456789 token=x"
	for kind, want := range map[uint32]string{
		scrubCards:  stars(16) + s[16:],
		scrubMails:  s[:17] + stars(3) + "@" + stars(11) + s[32:],
		scrubTokens: s[:37] + stars(36) + s[73:],
		scrubKeys:   s[:len(s)-1] + "*",
	} {
		if got := scrubbed(s, kind); got != want {
			t.Errorf("kind %d: %q, not %q", kind, got, want)
		}
	}
}

func TestASecretNeverReachesTheRing(t *testing.T) {
	s := fresh(t)
	s.record(pointRule).scrub = 15
	s.publish()
	s.flag(pointRule, 1)
	site := pointSite
	site.Names = "card,where,apiKey,number,failure"
	card, where, key, number := "4111 1111 1111 1111", "plain", "k3y", int64(4111111111111111)
	failure := errors.New("no mail for ann@example.org")
	clear(s.ring[countersOffset+testCounters*counterSize:])
	Point(&site, &card, &where, &key, &number, &failure)
	for _, secret := range []string{card, key, "ann", string((*[8]byte)(unsafe.Pointer(&number))[:])} {
		if strings.Contains(string(s.ring), secret) {
			t.Errorf("%q is in shared memory", secret)
		}
	}
	e := one(t, s.drain())
	want := []any{stars(19), "plain", "***", "***", "no mail for " + stars(3) + "@" + stars(11)}
	for i, w := range want {
		if e.values[uint8(i)] != w {
			t.Errorf("value %d is %v, not %v", i, e.values[uint8(i)], w)
		}
	}
	if e.flags != flagMasked {
		t.Errorf("flags %d", e.flags)
	}
	s.begin()
	s.publish() // the control: without scrubbing all of it is there
	Point(&site, &card, &where, &key, &number, &failure)
	if e := one(t, s.drain()); e.values[0] != card || e.values[2] != key || e.values[3] != number || e.flags != 0 {
		t.Errorf("with scrubbing off: %v, flags %d", e.values, e.flags)
	}
}

func TestASecretCutInTwoIsStillKnown(t *testing.T) {
	s := fresh(t)
	s.record(pointRule).scrub = scrubCards
	s.record(pointRule).capture = 10
	s.publish()
	s.flag(pointRule, 1)
	card := "4111111111111111"
	clear(s.ring[countersOffset+testCounters*counterSize:])
	Point(&pointSite, &card)
	if e := one(t, s.drain()); e.values[0] != stars(10) || e.flags&flagMasked == 0 {
		t.Errorf("%v, flags %d", e.values, e.flags)
	}
	if strings.Contains(string(s.ring), "1111") {
		t.Error("the rest of it is in shared memory")
	}
}

func TestAMaskIsOnlyClaimedForWhatIsShown(t *testing.T) {
	s := fresh(t)
	s.record(pointRule).scrub = scrubMails
	s.record(pointRule).capture = 10
	s.publish()
	s.flag(pointRule, 1)
	line := "nothing here, but later ann@example.org"
	Point(&pointSite, &line)
	if e := one(t, s.drain()); e.values[0] != line[:10] || e.flags&flagMasked != 0 {
		t.Errorf("%v, flags %d", e.values, e.flags)
	}
}

func TestARulesOwnSecrets(t *testing.T) {
	s := fresh(t)
	table := s.place(literalTable("internal", false))
	list := []byte{1, 0, 0, 0, byte(table), byte(table >> 8), byte(table >> 16), 0}
	s.record(pointRule).scrubRegexps = s.place(list)
	s.record(pointRule).scrubInputs = 1 << 2
	s.publish()
	s.flag(pointRule, 1)
	a, b, c := "strictly internal", "public", 42
	Point(&pointSite, &a, &b, &c)
	if e := one(t, s.drain()); e.values[0] != "***" || e.values[1] != "public" || e.values[2] != "***" {
		t.Errorf("%v", e.values)
	}
}

func TestWhichNamesAreSecret(t *testing.T) {
	for names, want := range map[string]uint64{
		"name,password;err":            2,
		"authToken,b;n,userPassword":   1 | 1<<(keysResults+1),
		"a,API_KEY,secret_;":           6,
		"pass,word,tok,Authorization;": 8,
		"":                             0,
	} {
		if got := secretNamesOf(names); got != want|keysKnown {
			t.Errorf("%q: %b, not %b", names, got&^keysKnown, want)
		}
	}
}

// FuzzScrub: whatever the text, only stars are written, inside it, and a second pass finds nothing that the first left.
func FuzzScrub(f *testing.F) {
	f.Add("password=x 4111 1111 1111 1111 a@b.cc Bearer 123456789 ghp_abcdefghijklmnopqrst", uint8(15))
	f.Add("://:@=:'\"..@..", uint8(15))
	f.Fuzz(func(t *testing.T, s string, kinds uint8) {
		memory := []byte("####" + s + "########")
		scrub(text{unsafe.Pointer(&memory[4]), len(s)}, uint32(kinds), len(s))
		if string(memory[:4]) != "####" || string(memory[4+len(s):]) != "########" {
			t.Fatal("wrote outside the text")
		}
		for i := range s {
			if memory[4+i] != s[i] && memory[4+i] != mask {
				t.Fatalf("byte %d became %q", i, memory[4+i])
			}
		}
	})
}
