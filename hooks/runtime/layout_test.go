package sandboxhook

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// Both sides of the shared memory keep their constants in one file each; this compares them.

func layoutHeader(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../layout.h")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`//[^\n]*`).ReplaceAllString(string(text), "")
}

func integer(t *testing.T, text string) uint64 {
	t.Helper()
	if left, right, ok := strings.Cut(text, "<<"); ok {
		return integer(t, left) << integer(t, right)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(text), 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestConstantsEqualTheSupervisors(t *testing.T) {
	header := layoutHeader(t)
	for name, want := range map[string]uint64{
		"kControlDescriptor": controlFile, "kControlMagic": controlMagic, "kControlVersion": controlVersion,
		"kControlSize": controlSize, "kMaxRules": ruleLimit, "kFlagsOffset": flagsOffset, "kArenaSize": arenaSize,
		"kDefaultCapture": captureDefault, "kMaxCapture": captureLimit, "kScrubCards": scrubCards,
		"kScrubTokens": scrubTokens, "kScrubMails": scrubMails, "kScrubKeys": scrubKeys,
		"kConditionDepth": conditionDepth, "kMaxDfaStates": dfaStateLimit, "kMaxDfaSize": dfaSizeLimit,
		"kAcceptNow": acceptAlways, "kAcceptAtEnd": acceptAtEnd, "kRingDescriptor": ringFile, "kRingMagic": ringMagic,
		"kRingVersion": ringVersion, "kSlotSize": slotSize, "kReservedOffset": uint64(unsafe.Offsetof(ringHeader{}.reserved)),
		"kConsumedOffset": uint64(unsafe.Offsetof(ringHeader{}.consumed)),
		"kDroppedOffset":  uint64(unsafe.Offsetof(ringHeader{}.dropped)), "kCountersOffset": countersOffset,
		"kSlotTruncated": flagTruncated, "kSlotMasked": flagMasked, "kSlotPanicking": flagPanicking,
		"kPayloadSize": payloadLimit, "kFirstResult": resultIndex, "kSiteMagic": siteMagic, "kSiteStack": OptionStack,
		"kSiteCountOnly": OptionCountOnly, "kSiteAborts": OptionAbort, "kSiteHasExit": OptionExit,
	} {
		found := regexp.MustCompile(`\b` + name + `\s*=\s*([^;]+);`).FindStringSubmatch(header)
		if found == nil {
			t.Errorf("layout.h has no %s", name)
		} else if got := integer(t, found[1]); got != want {
			t.Errorf("%s is %#x there, %#x here", name, got, want)
		}
	}
	arenas := regexp.MustCompile(`kArenaOffset\[2\]\s*=\s*\{(\w+),\s*(\w+)\}`).FindStringSubmatch(header)
	if arenas == nil || integer(t, arenas[1]) != arenaOffset || integer(t, arenas[2]) != arenaOffset+arenaSize {
		t.Errorf("the arenas are at %v there", arenas)
	}
}

func TestEnumerationsEqualTheSupervisors(t *testing.T) {
	header := layoutHeader(t)
	for name, want := range map[string]map[string]uint64{
		"Operation": {"all": opAnd, "any": opOr, "negate": opNot, "always": opTrue, "equal": opEqual,
			"not_equal": opNotEqual, "less": opLess, "at_most": opAtMost, "greater": opMore, "at_least": opAtLeast,
			"text_equal": opEquals, "prefix": opPrefix, "suffix": opSuffix, "contains": opContains, "set": opSet,
			"regexp": opRegexp, "nil": opNil, "not_nil": opNotNil, "rate": opRate},
		"SlotKind": {"enter": eventEnter, "exit": eventExit, "aborted": eventAborted, "point": eventPoint},
		"ValueTag": {"signed_integer": tagInt, "unsigned_integer": tagUint, "floating": tagFloat, "boolean": tagBool,
			"text": tagString, "bytes": tagBytes, "error": tagError, "nil": tagNil, "pointer": tagPointer,
			"other": tagOther, "stack": tagStack},
		"SiteKind": {"function": SiteFunction, "call": SiteCall, "literal": SiteLiteral, "panic": SitePanic,
			"replace": SiteReplace},
	} {
		body := regexp.MustCompile(`enum class ` + name + `[^{]*\{([^}]*)\}`).FindStringSubmatch(header)
		if body == nil {
			t.Errorf("layout.h has no enum %s", name)
			continue
		}
		for _, entry := range regexp.MustCompile(`(\w+)\s*=\s*(\d+)`).FindAllStringSubmatch(body[1], -1) {
			value, known := want[entry[1]]
			if !known || value != integer(t, entry[2]) {
				t.Errorf("%s::%s is %s there, %d here", name, entry[1], entry[2], value)
			}
			delete(want, entry[1])
		}
		if len(want) != 0 {
			t.Errorf("%s there lacks %v", name, want)
		}
	}
}

// TestStructuresEqualTheSupervisors compares where each field lies.
func TestStructuresEqualTheSupervisors(t *testing.T) {
	header := layoutHeader(t)
	sizes := map[string]uintptr{"std::uint64_t": 8, "std::uint32_t": 4, "std::uint16_t": 2, "std::uint8_t": 1,
		"SlotKind": 4, "SiteKind": 4, "GoString": 16}
	var record ruleRecord
	var event slot
	var site Site
	for name, want := range map[string][]uintptr{
		"RuleRecord": {unsafe.Offsetof(record.condition), unsafe.Offsetof(record.conditionCount),
			unsafe.Offsetof(record.sample), unsafe.Offsetof(record.perSecond), unsafe.Offsetof(record.limit),
			unsafe.Offsetof(record.capture), unsafe.Offsetof(record.scrub), unsafe.Offsetof(record.scrubRegexps),
			unsafe.Offsetof(record.scrubInputs), unsafe.Offsetof(record.reserved), unsafe.Sizeof(record)},
		"Slot": {unsafe.Offsetof(event.commit), unsafe.Offsetof(event.site), unsafe.Offsetof(event.time),
			unsafe.Offsetof(event.goroutine), unsafe.Offsetof(event.frame), unsafe.Offsetof(event.kind),
			unsafe.Offsetof(event.length), unsafe.Offsetof(event.flags), unsafe.Offsetof(event.payload),
			unsafe.Sizeof(event)},
		"SiteRecord": {unsafe.Offsetof(site.Magic), unsafe.Offsetof(site.Rule), unsafe.Offsetof(site.Kind),
			unsafe.Offsetof(site.Line), unsafe.Offsetof(site.Column), unsafe.Offsetof(site.Record),
			unsafe.Offsetof(site.Options), unsafe.Offsetof(site.Inputs), unsafe.Offsetof(site.Function),
			unsafe.Offsetof(site.File), unsafe.Offsetof(site.Names), unsafe.Offsetof(site.Text),
			unsafe.Offsetof(site.State), unsafe.Sizeof(site)},
	} {
		body := regexp.MustCompile(`struct ` + name + ` \{([^}]*)\}`).FindStringSubmatch(header)
		if body == nil {
			t.Errorf("layout.h has no struct %s", name)
			continue
		}
		var got []uintptr
		at := uintptr(0)
		for _, field := range regexp.MustCompile(`([\w:]+) (\w+)(?:\[(\w+)\])?;`).FindAllStringSubmatch(body[1], -1) {
			size, known := sizes[field[1]]
			if !known {
				t.Fatalf("%s.%s is a %s", name, field[2], field[1])
			}
			align := min(size, 8)
			at = (at + align - 1) &^ (align - 1)
			got = append(got, at)
			switch field[3] {
			case "":
				at += size
			case "kPayloadSize":
				at += size * payloadLimit
			default:
				at += size * uintptr(integer(t, field[3]))
			}
		}
		got = append(got, at)
		if len(got) != len(want) {
			t.Errorf("%s has %d fields there, %d here", name, len(got)-1, len(want)-1)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: field %d is at %d there, at %d here", name, i, got[i], want[i])
			}
		}
	}
}
