"""What the kernel's own probes add to a trace: hooks that ran, and every system call that began."""
from test_trace_hostile import ASSEMBLY, Hostile
from tracing import SUITE_LIMITS, TraceCase, rule, rules

FORGED = '''
	os.Open("/genuine")
	enter, exit := genuine()
	at := forge(enter, func(s *slot, at uint64) { s.frame, s.time = at+1, exit.time })
	syscall.Open("/genuine", 0, 0)
	forge(exit, func(s *slot, _ uint64) { s.frame = at + 1 })
	for i := uintptr(0); i < 4096; i++ {
		if *word(0x1000 + i*16) == enter.site {
			*word(0x1008 + i*16)++
		}
	}'''


class Probes(TraceCase):
    hostile = Hostile.hostile

    def probed(self, body, *imports, flags=("--trace-probes", "require"), **more):
        return self.hostile(body, *imports, flags=flags, **more)

    def test_each_event_has_the_thread_and_times_of_its_hook(self):
        trace = self.probed('''
	var all sync.WaitGroup
	for range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 50 {
				os.Open("/nowhere")
			}
		}()
	}
	all.Wait()''', "os", "sync")
        opened = trace.of("os.OpenFile")
        self.assertEqual(len(opened), 1000)
        self.assertEqual([w for w in trace.summary["witnesses"] if not w["present"]], [])
        self.assertEqual((trace.forgeries(), trace.summary["hits"]),
                         ({}, {"counted": 2000, "lost": 0, "unclaimed": 0, "unaccounted": 0}))
        for event in opened:
            self.assertGreater(event["hit"]["thread"], 0)
            self.assertLessEqual(event["hit"]["time_ns"], event["time_ns"])
            self.assertGreaterEqual(event["hit"]["end_ns"], event["time_ns"] + event["duration_ns"])
        self.assertEqual(self.its_report["trace"]["hits"]["counted"], 2000)

    def test_an_event_that_no_hook_made_is_forged_even_where_a_call_fits_it(self):
        trace = self.probed(FORGED, "os", "syscall")
        self.assertEqual(trace.forgeries(), {"unwitnessed": 2})
        self.assertIn("forged: an event for which the kernel saw no hook run (×2", self.done.err)
        self.assertEqual(trace.summary["without_effect"], 0)

    def test_a_program_without_a_hook_runs_and_the_trace_says_so(self):
        source = self.file("main.go", "package main\n\nfunc main() { println(1) }\n")
        trace = self.traced(source, "std:exec", "--trace-probes", "require")
        self.assertEqual([(w["name"], w["present"]) for w in trace.summary["witnesses"]],
                         [("seccomp", True), ("uprobe", False), ("tracepoint", True)])
        self.assertEqual(trace.summary["witnesses"][1]["why"], "the program has no hook that writes events")
        self.assertIn("no uprobe: the program has no hook that writes events", self.done.err)

    def test_control_without_the_probe_the_same_events_pass(self):
        trace = self.probed(FORGED, "os", "syscall", flags=("--trace-probes", "off"))
        self.assertEqual(trace.forgeries(), {})
        self.assertEqual(trace.verdicts("/genuine"), ["explained", "explained"])
        self.assertEqual([w["present"] for w in trace.summary["witnesses"]], [True, False, False])
        self.assertNotIn("hits", trace.summary)

    def test_calls_by_an_instruction_of_its_own_are_counted_though_nobody_watches_them(self):
        body = '''
	os.Open("/x")
	for i := 0; i < 7; i++ {
		writeBelow(1)
	}'''
        assembly = ASSEMBLY.replace("openBelow(SB), 4, $0-16", "writeBelow(SB), 4, $0-16").replace(
            "$257, AX", "$1, AX").replace("$-100, DI", "$1, DI")
        trace = self.probed(body, "os", files={"below.s": assembly}, more="func writeBelow(path uintptr) int\n")
        own = [line for line in trace.lines if line["type"] == "begun" and line["maker"] == "own"]
        self.assertEqual([(line["syscall"], line["count"], line["function"]) for line in own],
                         [("write", 7, "main.writeBelow")])
        self.assertEqual(self.its_report["trace"]["begun"]["own"], 7)
        self.assertIn("7 system calls by instructions that are not Go's", self.done.err)

    def test_control_all_calls_of_an_honest_program_are_go_s(self):
        trace = self.probed('os.WriteFile("/tmp/x", []byte("x"), 0o600)\nfmt.Println(time.Now().Year() > 0)\n'
                            'exec.Command("/nowhere").Run()', "fmt", "os", "os/exec", "time")
        begun = trace.summary["begun"]
        self.assertEqual((begun["own"], begun["lost"]), (0, 0), [l for l in trace.lines if l["type"] == "begun"])
        self.assertEqual(begun["calls"], sum(begun[maker] for maker in ("program", "runtime", "hooks", "kernel")))
        self.assertGreater(begun["program"], 3)

    def test_hooks_whose_events_were_dropped_are_counted_by_the_kernel(self):
        trace = self.probed('''
	*reserved() = *consumed() + slotCount
	for i := 0; i < 100; i++ {
		os.Open("/while-full")
	}''', "os")
        self.assertGreaterEqual(trace.summary["hits"]["unclaimed"], 100)  # no end of a call whose beginning was dropped
        self.assertGreaterEqual(trace.summary["dropped"], 100)

    def test_a_count_of_drops_that_was_set_back_is_known_by_the_hooks_that_ran(self):
        trace = self.probed('''
	*reserved() = *consumed() + slotCount
	for i := 0; i < 100; i++ {
		os.Open("/while-full")
	}
	*word(0xC0) = 0''', "os")
        self.assertEqual(trace.summary["dropped"], 0)
        self.assertGreaterEqual(trace.summary["hits"]["unclaimed"], 100)

    def test_a_program_that_uses_nothing_of_what_is_hooked_runs_all_the_same(self):
        trace = self.traced(self.program("os.Exit(0)", "os"), "std:net", "--trace-probes", "require")
        self.assertEqual((trace.events, trace.forgeries()), ([], {}))
        (uprobe,) = [w for w in trace.summary["witnesses"] if w["name"] == "uprobe"]
        self.assertEqual((uprobe["present"], uprobe["why"]), (False, "the program has no hook that writes events"))
        self.assertGreater(trace.summary["begun"]["calls"], 0)

    def test_a_function_called_like_one_of_go_s_is_not_go_s(self):
        body = 'path := []byte("/below\\x00")\n\topenBelow(&path[0])\n\tos.Open("/above")'
        named = ASSEMBLY.replace("TEXT ·openBelow(SB)", "TEXT internal∕runtime∕syscall·Syscall6<>(SB)")
        assembly = named + "TEXT ·openBelow(SB), 4, $0-16\n\tJMP internal∕runtime∕syscall·Syscall6<>(SB)\n"
        trace = self.probed(body, "os", files={"below.s": assembly}, more="func openBelow(path *byte) int\n")
        self.assertEqual((trace.verdicts("/below"), trace.verdicts("/above")), (["unexplained"], ["explained"]))
        self.assertIn("is not one of Go's", [c for c in trace.calls if c["path"] == "/below"][0]["why"])
        self.assertEqual(self.its_report["trace"]["begun"]["own"], 1)

    def test_the_flag_is_about_traces_and_knows_three_words(self):
        done = self.run_cli("run", "--trace", "std:files", "--trace-probes", "some", *SUITE_LIMITS, self.dir)
        self.assert_status(done, 125)
        self.assertIn("--trace-probes", done.err)


del Hostile  # its own tests run once, where they are
