"""Programs that lie to the trace: they write to its memory as they like, go below the hooks, or switch them off. What
they claim is shown beside what the kernel saw; their verdict is the one they would have got anyway."""
import json
import os

from tracing import SUITE_LIMITS, TraceCase, rule, rules

# What a hostile program can reach: everything in its own memory. The linker lets neither go:linkname nor assembly name
# the hook runtime's variables, so it looks for the two shared mappings by their magic words, a page at a time, and for
# the variable that points to the flags.
REACH = '''package main

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	slotCount = 16384
	slotsAt   = 0x1000 + 4096*16
	ringSize  = slotsAt + slotCount*256

	ringMagic    = 0x31474e4952584253
	controlMagic = 0x314c525443584253
)

var pipe = func() (ends [2]int) { syscall.Pipe2(ends[:], syscall.O_NONBLOCK); return ends }()

// peek reads a word through the kernel, which answers EFAULT where nothing is mapped.
func peek(at uintptr) (value uint64, ok bool) {
	if n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(pipe[1]), at, 8); errno != 0 || n != 8 {
		return 0, false
	}
	syscall.RawSyscall(syscall.SYS_READ, uintptr(pipe[0]), uintptr(unsafe.Pointer(&value)), 8)
	return value, true
}

var ring, control = func() (ring, control uintptr) {
	page, _, _ := syscall.Syscall6(syscall.SYS_MMAP, 0, 4096, 1, 0x22, ^uintptr(0), 0)
	for away := uintptr(4096); (ring == 0 || control == 0) && away < 8<<30; away += 4096 {
		for _, at := range []uintptr{page + away, page - away} {
			switch word, _ := peek(at); word {
			case ringMagic:
				ring = at
			case controlMagic:
				control = at
			}
		}
	}
	if ring == 0 || control == 0 {
		panic("the trace's memory was not found")
	}
	return ring, control
}()

// hookFlags is the hook runtime's pointer to the flags, in the program's own data.
var hookFlags = func() **[1024]uint32 {
	for at := uintptr(0x400000); ; at += 8 {
		word, ok := peek(at)
		if !ok {
			panic("the pointer to the flags was not found")
		}
		if word == uint64(control)+0x1000 {
			return (**[1024]uint32)(address(at))
		}
	}
}

func address(at uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

type slot struct {
	commit, site, time, goroutine, frame uint64
	kind                                 uint32
	length, flags                        uint16
	payload                              [208]byte
}

func word(at uintptr) *uint64 { return (*uint64)(address(ring + at)) }

var reserved, consumed = func() *uint64 { return word(0x40) }, func() *uint64 { return word(0x80) }

func slotAt(position uint64) *slot { return (*slot)(address(ring + slotsAt + uintptr(position%slotCount)*256)) }

// forge writes an event like a genuine one but for what change does.
func forge(like slot, change func(*slot, uint64)) uint64 {
	position := atomic.AddUint64(reserved(), 1) - 1
	s := slotAt(position)
	like.commit = 0
	*s = like
	change(s, position)
	atomic.StoreUint64(&s.commit, position+1)
	return position
}

func (s *slot) put(values ...[]byte) {
	s.length = 0
	for _, v := range values {
		s.length += uint16(copy(s.payload[s.length:], v))
	}
}

func textValue(index byte, text string) []byte {
	return append([]byte{5, index, byte(4 + len(text)), 0, byte(len(text)), 0, 0, 0}, text...)
}

// genuine is the newest pair of events that a hook wrote.
func genuine() (enter, exit slot) {
	for position := uint64(0); position < *reserved(); position++ {
		switch s := slotAt(position); s.kind {
		case 1:
			enter = *s
		case 2:
			exit = *s
		}
	}
	return enter, exit
}
'''

# Its instruction is in no function that is known to make system calls.
ASSEMBLY = '''TEXT ·openBelow(SB), 4, $0-16
	MOVQ $257, AX
	MOVQ $-100, DI
	MOVQ path+0(FP), SI
	MOVQ $0, DX
	MOVQ $0, R10
	SYSCALL
	MOVQ AX, ret+8(FP)
	RET
'''

# Its call is made by the instruction with which the runtime yields the processor.
JUMP = '''TEXT ·reach(SB), 4, $0-24
	LEAQ runtime·osyield(SB), CX
next:
	INCQ CX
	MOVW (CX), BX
	CMPW BX, $0x050f
	JNE next
	MOVQ $77, AX
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	CALL CX
	MOVQ AX, ret+16(FP)
	RET
'''


def main(body, *imports, more=""):
    lines = "".join('\t"%s"\n' % i for i in imports)
    return "package main\n\nimport (\n%s)\n\n%s\nfunc main() {\n%s\n}\n" % (lines, more, body)


class Hostile(TraceCase):
    def hostile(self, body, *imports, files=(), more="", words="std:files", exit_code=0, flags=()):
        """The trace of a program that reaches for the trace's memory; its verdict must be what its exit says."""
        module = self.module(dict({"main.go": main(body, *imports, more=more), "reach.go": REACH},
                                **dict(files)))
        report, out = os.path.join(self.dir, "report.json"), os.path.join(self.dir, "trace.jsonl")
        if "\n" in words:
            words = self.rules_file(words)
        self.done = self.run_cli("run", "--trace", words, "--trace-out", out, "--report", report, *SUITE_LIMITS, *flags,
                                 module, timeout=300)
        with open(report) as f:
            self.its_report = json.load(f)
        self.check_report(self.its_report)
        self.assertEqual((self.its_report["verdict"], self.its_report["exit_code"], self.done.status),
                         ("ok" if exit_code == 0 else "runtime_error", exit_code, exit_code), self.done)
        return self.read_trace(out)

    def test_control_an_honest_program_is_explained_and_nothing_is_forged(self):
        trace = self.hostile(
            'os.Open("/control")\nos.ReadDir("/")\nos.Mkdir("/tmp/d", 0o700)\nos.Remove("/tmp/d")', "os")
        self.assertEqual(trace.verdicts("/control"), ["explained"])
        self.assertEqual({v for v, n in trace.summary["verdicts"].items() if n} - {"runtime"}, {"explained"})
        self.assertEqual((trace.forgeries(), trace.summary["without_effect"], trace.summary["dropped"],
                          trace.summary["lost"]), ({}, 0, 0, 0))
        self.assertEqual(self.its_report["trace"]["claimed"]["forgeries"], {})

    def test_control_an_honest_program_of_many_goroutines_is_never_accused(self):
        trace = self.hostile('''
	os.Chdir("/tmp")
	var all sync.WaitGroup
	for g := 0; g < 16; g++ {
		all.Add(1)
		go func() {
			defer all.Done()
			dir, _ := os.MkdirTemp("", "g")
			for i := 0; i < 5; i++ {
				name := filepath.Join(dir, strconv.Itoa(i))
				os.WriteFile(name, []byte("x"), 0o600)
				os.Rename(name, name+"b")
				os.Symlink(name+"b", name)
				os.Readlink(name)
				os.Chmod(name, 0o640)
				os.Open("relative")
				os.MkdirAll(filepath.Join(dir, "a/b"), 0o700)
			}
			if root, err := os.OpenRoot(dir); err == nil {
				root.Create("a/../x")
				root.Close()
			}
			os.RemoveAll(dir)
		}()
	}
	all.Wait()''', "os", "path/filepath", "strconv", "sync")
        verdicts = trace.summary["verdicts"]
        self.assertGreater(verdicts["explained"], 16 * 5 * 7)
        self.assertEqual([verdicts[v] for v in ("uncovered", "unexplained", "contradicted")], [0, 0, 0])
        self.assertEqual((trace.forgeries(), trace.summary["without_effect"]), ({}, 0))

    def test_opens_below_the_hook_are_unexplained(self):
        trace = self.hostile('''
	syscall.Open("/below-by-open", 0, 0)
	path, _ := syscall.BytePtrFromString("/below-by-raw")
	at := -100
	syscall.RawSyscall(syscall.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(path)), 0)
	os.Open("/above")''', "os", "syscall", "unsafe")
        for path in ("/below-by-open", "/below-by-raw"):
            self.assertEqual(trace.verdicts(path), ["unexplained"])
        self.assertEqual(trace.verdicts("/above"), ["explained"])  # control
        self.assertEqual(self.its_report["trace"]["witnessed"]["joined"]["unexplained"], 2)
        self.assertIn("/below-by-raw", self.done.err)  # the terminal's summary

    def test_a_system_call_instruction_of_its_own_is_unexplained_even_inside_a_fitting_frame(self):
        body = '''
	os.Open("/own-instruction")
	enter, exit := genuine()
	forge(enter, func(s *slot, at uint64) { s.frame, s.time = at+1, exit.time })
	path := []byte("/own-instruction\\x00")
	openBelow(&path[0])
	runtime.KeepAlive(path)'''
        trace = self.hostile(body, "os", "runtime", files={"below.s": ASSEMBLY},
                             more="func openBelow(path *byte) int\n")
        self.assertEqual(trace.verdicts("/own-instruction"), ["explained", "unexplained"])
        self.assertIn("instruction", [c["why"] for c in trace.calls if c["verdict"] == "unexplained"][0])

    def test_an_assembly_function_with_the_name_of_one_of_gos_is_still_its_own(self):
        name = "internal∕runtime∕syscallx·Syscall6(SB)"
        assembly = ("TEXT ·openBelow(SB), 4, $0-16\n\tJMP " + name + "\n" +
                    ASSEMBLY.replace("·openBelow(SB)", name))
        trace = self.hostile('os.Open("/above")\npath := []byte("/borrowed-name\\x00")\nopenBelow(&path[0])\n'
                             'runtime.KeepAlive(path)', "os", "runtime", files={"below.s": assembly},
                             more="func openBelow(path *byte) int\n")
        self.assertEqual(trace.verdicts("/borrowed-name"), ["unexplained"])
        self.assertIn("instruction", [c["why"] for c in trace.calls if c["verdict"] == "unexplained"][0])

    def test_a_jump_to_an_instruction_of_the_runtimes_is_not_the_runtimes_call(self):
        trace = self.hostile('os.Truncate("/x", 0)\nreach(1, 2)', "os", words=rules(
            rule("truncate", "os.Truncate", "record", "explains: [ftruncate]")), files={"reach.s": JUMP},
                             more="func reach(a, b uintptr) int\n")
        calls = [c for c in trace.calls if c["syscall"] == "ftruncate"]
        self.assertEqual([c["verdict"] for c in calls], ["unexplained"])
        self.assertIn("instruction", calls[0]["why"])

    def test_a_program_that_replaces_a_function_of_the_hook_runtime_is_refused(self):
        module = self.module({"main.go": main('nothing()\nos.Open("/x")', "os", more="func nothing()\n"),
                              "ran.s": "TEXT ·nothing(SB), 4, $0-0\n\tRET\n"
                                       "TEXT internal∕sandboxhook·ran(SB), 6, $0-16\n\tRET\n"})  # NOSPLIT|DUPOK
        done = self.run_cli("run", "--trace", "std:files", *SUITE_LIMITS, module, timeout=300)
        self.assert_status(done, 120)
        self.assertIn("in place of internal/sandboxhook.ran", done.err)

    def test_a_frame_that_names_another_path_is_contradicted(self):
        trace = self.hostile('''
	os.Open("/innocent")
	enter, exit := genuine()
	forge(enter, func(s *slot, at uint64) {
		s.frame, s.time = at+1, exit.time
		s.put(textValue(0, "/innocent"))
	})
	syscall.Open("/the-real-one", 0, 0)''', "os", "syscall")
        self.assertEqual(trace.verdicts("/the-real-one"), ["contradicted"])
        self.assertEqual(trace.verdicts("/innocent"), ["explained"])
        (call,) = [c for c in trace.calls if c["verdict"] == "contradicted"]
        self.assertIn("/innocent", call["why"])

    def test_a_claim_without_an_effect_is_shown_as_one(self):
        trace = self.hostile('''
	os.Open("/")
	enter, exit := genuine()
	at := forge(enter, func(s *slot, at uint64) {
		s.frame, s.time = at+1, exit.time
		s.put(textValue(0, "/never-opened"))
	})
	forge(exit, func(s *slot, _ uint64) { s.frame = at + 1 })''', "os")
        (claim,) = [e for e in trace.events if e["arguments"].get("name") == "/never-opened"]
        self.assertTrue(claim["without_effect"], claim)
        self.assertEqual(trace.summary["without_effect"], 1)
        self.assertEqual(self.its_report["trace"]["claimed"]["without_effect"], 1)
        self.assertEqual([e.get("without_effect") for e in trace.events if e is not claim], [None])

    def test_a_hook_switched_off_from_inside_leaves_the_kernels_word(self):
        trace = self.hostile('''
	os.Open("/before")
	*hookFlags() = new([1024]uint32)
	os.Open("/after")''', "os")
        self.assertEqual(trace.verdicts("/before"), ["explained"])
        self.assertEqual(trace.verdicts("/after"), ["unexplained"])
        self.assertEqual([e["arguments"]["name"] for e in trace.of("os.OpenFile")], ["/before"])

    def test_a_flag_page_of_its_own_switches_on_no_abort_that_counts(self):
        words = rules(rule("off", "main.open", "{abort: closed}", "active: false"), use="[std:files]")
        trace = self.hostile('''
	*hookFlags() = &[1024]uint32{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	fmt.Println(open("/x"))''', "fmt", "os", more='func open(p string) error { _, err := os.Open(p); return err }\n',
                             words=words)
        # It can make its own functions fail, which it could without hooks. Nothing is opened that was not seen.
        self.assertEqual(self.done.out, b"closed\n")
        self.assertEqual(trace.verdicts("/x"), [])

    def test_the_page_with_the_rules_cannot_be_written(self):
        trace = self.hostile('''
	page := control
	_, _, errno := syscall.Syscall(syscall.SYS_MPROTECT, page, 4096, 3)
	fmt.Println("mprotect", errno != 0)
	_, _, errno = syscall.Syscall(syscall.SYS_MPROTECT, ring, 4096, 3)
	fmt.Println("control", errno != 0)
	debug.SetPanicOnFault(true)
	defer func() {
		fmt.Println(recover() != nil)
		os.Open("/still-hooked")
	}()
	(*hookFlags())[0] = 0''', "fmt", "os", "runtime/debug", "syscall")
        self.assertEqual(self.done.out, b"mprotect true\ncontrol false\ntrue\n")
        self.assertEqual(trace.verdicts("/still-hooked"), ["explained"])

    def test_each_kind_of_forged_event_is_named(self):
        trace = self.hostile('''
	os.Open("/genuine")
	enter, exit := genuine()
	now := exit.time
	forge(enter, func(s *slot, at uint64) { s.frame, s.site = at+1, 0xdead })
	forge(enter, func(s *slot, at uint64) { s.frame, s.kind = at+1, 9 })
	forge(enter, func(s *slot, at uint64) { s.frame, s.length = at+1, 65535 })
	forge(enter, func(s *slot, at uint64) { s.frame = at + 1; s.put([]byte{5, 0, 255, 255, 1}) })
	forge(enter, func(s *slot, at uint64) { s.frame = 1 << 40 })
	forge(exit, func(s *slot, at uint64) { s.frame = at })
	begun := forge(enter, func(s *slot, at uint64) { s.frame, s.goroutine, s.time = at+1, 1000, now })
	forge(exit, func(s *slot, _ uint64) { s.frame, s.goroutine = begun+1, 1001 })
	forge(enter, func(s *slot, at uint64) { s.frame, s.goroutine, s.time = at+1, 2000, now })
	forge(enter, func(s *slot, at uint64) { s.frame, s.goroutine, s.time = at+1, 2000, now-1 })
	forge(enter, func(s *slot, at uint64) { s.frame, s.goroutine, s.time = at+1, 3000, 1<<62 })
	for i := uintptr(0); i < 4096; i++ {
		if owner := word(0x1000 + i*16); *owner == 0 {
			*owner, *word(0x1008 + i*16) = 0xbeef, 5
			break
		}
	}
	time.Sleep(100 * time.Millisecond)
	was := *reserved()
	*reserved() = 1
	time.Sleep(100 * time.Millisecond)
	*reserved() = was''', "os", "time")
        forged = trace.forgeries()
        self.assertEqual(set(forged), {
            "unknown site", "unknown kind", "malformed", "bad frame", "exit without enter", "wrong goroutine",
            "time backwards", "time outside the run", "counter mismatch", "unknown counter", "ring position",
            "unwitnessed"})
        self.assertEqual(forged["malformed"], 2)
        self.assertEqual(set(self.its_report["trace"]["claimed"]["forgeries"]), set(forged))
        self.assertEqual(self.done.err.count("forged: "), len(forged))
        self.assertEqual(trace.verdicts("/genuine"), ["explained"])

    def test_a_full_ring_drops_and_counts_and_does_not_stop_the_program(self):
        trace = self.hostile('''
	os.Open("/before")
	time.Sleep(50 * time.Millisecond)
	*reserved() = *consumed() + slotCount // slots that nobody will ever finish
	begun := time.Now()
	for i := 0; i < 2000; i++ {
		os.Open("/while-full")
	}
	if time.Since(begun) > 20*time.Second {
		os.Exit(9)
	}''', "os", "time")
        self.assertGreater(trace.summary["dropped"], 0)
        self.assertGreater(trace.summary["lost"], 0)
        self.assertEqual((self.its_report["trace"]["claimed"]["dropped"], self.its_report["trace"]["claimed"]["lost"]),
                         (trace.summary["dropped"], trace.summary["lost"]))
        self.assertIn("lost: ", self.done.err)
        # Each open was seen all the same, and the missing frames are told apart from missing hooks.
        self.assertEqual(len(trace.verdicts("/while-full")), 2000)
        unexplained = [c for c in trace.calls if c["verdict"] == "unexplained"]
        self.assertTrue(unexplained)
        self.assertTrue(all(c["after_loss"] for c in unexplained))

    def test_more_events_than_are_read_in_time_never_block(self):
        trace = self.hostile('''
	var all sync.WaitGroup
	for g := 0; g < 4; g++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; i < 200000; i++ {
				step(i)
			}
		}()
	}
	all.Wait()''', "sync", more="//go:noinline\nfunc step(i int) int { return i }\n",
                             words=rules(rule("s", "main.step", "record")),
                             flags=("--trace-probes", "off"))  # with the probe it is the program that waits
        claimed = trace.summary
        self.assertEqual(trace.totals("main.step")["calls"], 800000)  # the counters have what the ring has not
        self.assertGreater(claimed["events"] + claimed["dropped"], 0)
        self.assertLessEqual(claimed["events_kept"], claimed["events"])

    def test_garbage_in_all_of_the_ring_does_not_harm_the_supervisor(self):
        for name, write in (("ones", "*p = ^uint64(0)"), ("zeros", "*p = 0"),
                            ("noise", "x ^= x<<13; x ^= x>>7; x ^= x<<17; *p = x")):
            with self.subTest(name):
                trace = self.hostile('''
	os.Open("/first")
	x := uint64(88172645463325252)
	_ = x
	for round := 0; round < 10; round++ {
		for at := uintptr(0); at < ringSize; at += 8 {
			p := word(at)
			%s
		}
		time.Sleep(5 * time.Millisecond)
		os.Open("/meanwhile")
	}
	for position := uint64(0); position < 5*slotCount; position++ { // committed, with any lengths and kinds
		s := slotAt(position)
		s.kind, s.length, s.site = uint32(position%%6), uint16(position*7), position
		atomic.StoreUint64(&s.commit, position+1)
		atomic.StoreUint64(reserved(), position+1)
	}''' % write, "os", "sync/atomic", "time")
                self.assertEqual(trace.verdicts("/first"), ["explained"])
                self.assertEqual(len(trace.verdicts("/meanwhile")), 10)
                self.assertTrue(trace.forgeries())

    def test_a_failing_program_is_reported_as_failing_whatever_it_writes(self):
        trace = self.hostile('''
	os.Open("/x")
	for at := uintptr(0); at < ringSize; at += 8 {
		*word(at) = ^uint64(0)
	}
	os.Exit(3)''', "os", exit_code=3)
        self.assertTrue(trace.forgeries())

    def test_text_of_the_programs_cannot_forge_a_line_of_an_export_or_of_the_summary(self):
        body = 'os.Open("/\\x1b[31m\\n{\\"type\\":\\"summary\\"}\\xff")\nsyscall.Open("/raw\\x1b[2J\\nverdict: ok", 0, 0)'
        trace = self.hostile(body, "os", "syscall")
        self.assertEqual([line["type"] for line in trace.lines].count("summary"), 1)
        self.assertNotIn("\x1b", self.done.err)
        self.assertNotIn("\nverdict: ok", self.done.err)
        self.assertIn("/raw", self.done.err)  # control: it is there, made harmless
